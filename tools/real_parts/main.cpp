// emend-photo-model: trains and examines the connector of the photo model, and makes suites of its
// mistakes (docs/photo-model.md).
#include <fmt/format.h>
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "edits/mistakes.h"
#include "io/error.h"
#include "io/files/path.h"
#include "io/json/json.h"
#include "io/progress.h"
#include "io/runtime.h"
#include "models/architectures/architecture.h"
#include "models/config/json_fields.h"
#include "photo_exam.h"
#include "photo_features.h"
#include "photo_trainer.h"
#include "text_lines.h"

namespace emend::photos {
namespace {

struct Arguments {
  std::string model, features = "features", flickr8k, daquar, counterfact, nq, dtype = "fp32";
  std::string checkpoint = "photo-checkpoint.safetensors", output = "connector.safetensors";
  int threads = 0;
  int64_t report_every = 10, save_every = 50, examined = 48, stop_after = 0, limit = 0,
          limit_asked = 0, facts = 1000;
  bool answers = false;
  Recipe recipe;
  std::string coco, form = "vqa";
  MistakeOptions mistakes;
};

at::ScalarType dtype_of(const Arguments& a) {
  return a.dtype == "bf16" ? at::kBFloat16 : at::kFloat;
}

// A folder with or without a connector; an absent one is zeros, which the trainer does not use.
Vlm open_parts(const Arguments& a) {
  const auto architecture = architecture_of_folder(a.model);
  const auto checkpoint = Checkpoint::open(a.model);
  const auto dtype = dtype_of(a);
  Weights weights(
      [&](const std::string& name, at::IntArrayRef shape) {
        if (!checkpoint.contains(name) && name.starts_with("connector."))
          return at::zeros(shape, dtype);
        return checkpoint.tensor(name).to(dtype).clone();
      },
      dtype);
  Vlm vlm;
  vlm.folder = a.model;
  vlm.model = architecture.make_model(weights);
  vlm.processor = Processor::load(a.model, architecture.layout);
  return vlm;
}

void compute(const Arguments& a) {
  InterruptGuard guard;
  set_threads(a.threads);
  const auto vlm = open_parts(a);
  const auto parts = read_parts(a.model);
  std::vector<Photo> photos;
  const auto add = [&](const std::vector<Photo>& more) {
    photos.insert(photos.end(), more.begin(), more.end());
  };
  // What training needs comes first.
  if (!a.flickr8k.empty()) {
    add(read_flickr8k(a.flickr8k, Split::train));
    auto held_out = read_flickr8k(a.flickr8k, Split::validation);
    if (a.limit > 0 && held_out.size() > static_cast<size_t>(a.limit))
      held_out.resize(static_cast<size_t>(a.limit));
    add(held_out);
  }
  if (!a.daquar.empty()) add(read_daquar(a.daquar, /*test=*/false));
  if (!a.flickr8k.empty()) add(read_flickr8k(a.flickr8k, Split::test));
  if (!a.daquar.empty()) add(read_daquar(a.daquar, /*test=*/true));
  compute_features(vlm, photos, a.features, parts);
}

void train(const Arguments& a) {
  InterruptGuard guard;
  set_threads(1);  // each worker uses one thread
  const auto parts = read_parts(a.model);
  TrainingData data;
  data.captioned = read_flickr8k(a.flickr8k, Split::train);
  if (a.recipe.question_steps > 0) data.asked = read_daquar(a.daquar, /*test=*/false);
  if (a.limit > 0 && data.captioned.size() > static_cast<size_t>(a.limit))
    data.captioned.resize(static_cast<size_t>(a.limit));
  data.texts = text_lines(a.counterfact, a.nq);
  auto held_out = read_flickr8k(a.flickr8k, Split::validation);
  if (static_cast<int64_t>(held_out.size()) > a.examined)
    held_out.resize(static_cast<size_t>(a.examined));
  const PhotoFeatures features(a.features, parts, {data.captioned, data.asked, held_out});
  const auto vlm = open_parts(a);
  PhotoTrainer trainer(vlm, features, data, a.recipe);
  fmt::print("{} photos with captions, {} with questions, {} text lines; seed {}, {} threads, {}\n",
             data.captioned.size(), data.asked.size(), data.texts.size(), a.recipe.seed,
             a.recipe.threads, a.dtype);
  if (is_file(a.checkpoint)) {
    trainer.resume(a.checkpoint);
    fmt::print("resumed {} at step {}\n", a.checkpoint, trainer.steps());
  }
  std::fflush(stdout);

  const auto keep = [&] {
    trainer.save(a.checkpoint);
    trainer.write_connector(a.output, parts);
    if (!held_out.empty())
      fmt::print("held out: captions {:.3f}, with the features of other photos {:.3f}\n",
                 trainer.caption_loss(held_out, false), trainer.caption_loss(held_out, true));
    std::fflush(stdout);
  };
  const auto start = std::chrono::steady_clock::now();
  const auto first = trainer.steps();
  const auto last = a.stop_after > 0 ? std::min(a.stop_after, a.recipe.steps()) : a.recipe.steps();
  StepLosses since;
  int64_t count = 0;
  while (trainer.steps() < last && !InterruptGuard::interrupted()) {
    const auto now = trainer.step();
    since.words += now.words;
    since.captions += now.captions;
    since.questions += now.questions;
    since.texts += now.texts;
    since.answered += now.answered;
    ++count;
    const auto done = trainer.steps();
    if (done % a.report_every == 0 || done == last) {
      const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
      const double each = spent.count() / static_cast<double>(done - first),
                   n = static_cast<double>(count);
      fmt::print("step {} of {} ({:.2f} s each, {} left): ", done, a.recipe.steps(), each,
                 format_duration(each * static_cast<double>(a.recipe.steps() - done)));
      if (done <= a.recipe.word_steps)
        fmt::print("words {:.3f}", since.words / n);
      else
        fmt::print("captions {:.3f}, texts {:.4f}", since.captions / n, since.texts / n);
      if (done > a.recipe.word_steps + a.recipe.caption_steps)
        fmt::print(", questions {:.3f} ({:.1f} % right)", since.questions / n,
                   100 * since.answered / n);
      fmt::print("\n");
      std::fflush(stdout);
      since = {};
      count = 0;
    }
    if (done % a.save_every == 0 || done == a.recipe.word_steps) keep();
  }
  keep();
  fmt::print("{} has the connector after step {}\n", a.output, trainer.steps());
}

void examine(const Arguments& a) {
  set_threads(a.threads);
  const auto parts = read_parts(a.model);
  LoadOptions options;
  options.dtype = dtype_of(a);
  std::vector<Photo> captioned, asked, train;
  // Every so many photos of the list, because neighbors are often of the same room.
  const auto limit = [](const std::vector<Photo>& photos, int64_t most) {
    if (most < 1 || photos.size() <= static_cast<size_t>(most)) return photos;
    std::vector<Photo> some;
    for (size_t i = 0; i < static_cast<size_t>(most); ++i)
      some.push_back(photos[i * photos.size() / static_cast<size_t>(most)]);
    return some;
  };
  if (!a.flickr8k.empty()) captioned = limit(read_flickr8k(a.flickr8k, Split::test), a.limit);
  if (!a.daquar.empty()) {
    asked = limit(read_daquar(a.daquar, /*test=*/true), a.limit_asked);
    train = read_daquar(a.daquar, /*test=*/false);
  }
  nlohmann::json results = {{"model", parts}, {"dtype", a.dtype}};
  std::vector<Fact> facts;
  if (!a.counterfact.empty()) facts = read_facts(a.counterfact, /*test=*/true);
  if (facts.size() > static_cast<size_t>(a.facts)) facts.resize(static_cast<size_t>(a.facts));
  // Without pictures, the folder may lack a connector.
  const auto vlm = captioned.empty() && asked.empty() ? open_parts(a) : load_vlm(a.model, options);
  if (!captioned.empty() || !asked.empty()) {
    const PhotoFeatures features(a.features, parts, {captioned, asked});
    if (!captioned.empty()) results["captions"] = examine_captions(vlm, features, captioned);
    if (!asked.empty())
      results["questions"] = examine_questions(vlm, features, asked, train, a.answers);
  }
  if (!facts.empty()) results["texts"] = examine_texts(vlm, facts);
  write_json(a.output, results);
  if (results.contains("captions"))
    for (auto& [name, condition] : results["captions"]["conditions"].items())
      condition.erase("captions");
  if (results.contains("questions")) results["questions"].erase("answers");
  fmt::print("{}\n", results.dump(1));
}

// Where the edits of a suite come from.
std::vector<Photo> photos_of_edits(const Arguments& a) {
  const bool test = a.mistakes.split == "eval", captions = a.mistakes.captions;
  const auto refuse = [&](const char* hint) {
    throw Error("photos::edits", fmt::format("no photos for edits of form {}, split {}", a.form,
                                             a.mistakes.split),
                hint);
  };
  if (!captions && a.daquar.empty()) refuse("give DAQUAR's folder with --daquar");
  if (captions && a.coco.empty() == a.flickr8k.empty())
    refuse("give one of --flickr8k and --coco");
  if (captions && !test && !a.coco.empty()) refuse("--coco has no photos for training");
  if (!captions) return read_daquar(a.daquar, test);
  if (!a.coco.empty()) return read_coco(a.coco);
  return read_flickr8k(a.flickr8k, test ? Split::test : Split::train);
}

void collect_edits(Arguments a) {
  set_threads(a.threads);
  a.mistakes.captions = a.form == "caption";
  const auto photos = photos_of_edits(a);
  std::vector<Photo> elsewhere = photos;
  if (!a.daquar.empty() && a.mistakes.captions)
    elsewhere = read_daquar(a.daquar, a.mistakes.split == "eval");
  const auto texts = read_text_facts(a.nq, a.mistakes.split == "eval");
  const auto parts = read_parts(a.model);
  const auto vlm = load_vlm(a.model);
  compute_features(vlm, photos, a.features, parts);
  const PhotoFeatures features(a.features, parts, {photos});
  const auto asked = write_mistakes(vlm, features, photos, elsewhere, texts, a.mistakes);
  fmt::print("{} has the mistakes in {} answers about {} photos (form {}, split {}, seed {})\n",
             a.mistakes.folder, asked, photos.size(), a.form, a.mistakes.split, a.mistakes.seed);
}

}  // namespace
}  // namespace emend::photos

int main(int argc, char** argv) {
  emend::restart_with_runtime_settings(argv);
  using namespace emend::photos;
  Arguments a;
  CLI::App app{
      "Trains and examines the connector of the photo model, and makes suites of its mistakes."};
  app.require_subcommand(1);
  const auto common = [&](CLI::App* command) {
    command->add_option("-m,--model", a.model, "folder of make_photo_model.py")->required();
    command->add_option("--features", a.features, "folder of the features")->capture_default_str();
    command->add_option("--flickr8k", a.flickr8k, "folder with captions.txt and images/");
    command->add_option("--daquar", a.daquar,
                        "folder with all_qa_pairs.txt, train_images.txt, test_images.txt, images/");
    command->add_option("--dtype", a.dtype, "compute dtype")
        ->check(CLI::IsMember({"fp32", "bf16"}))
        ->capture_default_str();
  };
  auto* features = app.add_subcommand("features", "Computes the features of all photos once.");
  common(features);
  features->add_option("--limit", a.limit, "photos for validation, at most; 0: all");
  features->add_option("-t,--threads", a.threads, "number of threads; 0: all cores");
  auto* training =
      app.add_subcommand("train", "Trains the connector, and resumes from its checkpoint.");
  common(training);
  auto& r = a.recipe;
  training->add_option("--counterfact", a.counterfact, "counterfact-edit.json")->required();
  training->add_option("--nq", a.nq, "questions of NQ-open, lines of JSON")->required();
  training->add_option("--checkpoint", a.checkpoint, "training state to resume from")
      ->capture_default_str();
  training->add_option("-o,--output", a.output, "the connector")->capture_default_str();
  training->add_option("--word-steps", r.word_steps, "first steps, without the language model")
      ->capture_default_str();
  training->add_option("--warmup", r.warmup, "steps in which the learning rate rises")
      ->capture_default_str();
  training->add_option("--photos", r.photos, "photos per step")->capture_default_str();
  training->add_option("--texts", r.texts, "text-only lines per step")->capture_default_str();
  training->add_option("--caption-steps", r.caption_steps, "steps with captions only")
      ->capture_default_str();
  training
      ->add_option("--question-steps", r.question_steps, "steps after them, half with questions")
      ->capture_default_str();
  training->add_option("--rank", r.rank, "rank of the language model's change")
      ->capture_default_str();
  training->add_option("--lr", r.lr, "learning rate")->capture_default_str();
  training->add_option("--text-weight", r.text_weight, "weight of the divergence on text lines")
      ->capture_default_str();
  training->add_flag("--blind", r.blind,
                     "train a twin that does not see: the features of every photo are zeros");
  training->add_option("--seed", r.seed, "random seed")->capture_default_str();
  training
      ->add_option("-t,--threads", r.threads, "number of threads; each computes a part of a step")
      ->capture_default_str();
  training->add_option("--report-every", a.report_every, "steps between progress lines")
      ->capture_default_str();
  training->add_option("--save-every", a.save_every, "steps between checkpoints")
      ->capture_default_str();
  training->add_option("--examined", a.examined, "held-out photos of an examination")
      ->capture_default_str();
  training->add_option("--limit", a.limit, "photos with captions, at most; 0: all");
  training->add_option("--stop-after", a.stop_after, "stop after this step; 0: at the end");
  auto* exam =
      app.add_subcommand("evaluate", "Evaluates a model on the held-out photos and texts.");
  common(exam);
  exam->add_option("--counterfact", a.counterfact, "counterfact-edit.json");
  exam->add_option("--facts", a.facts, "facts of the held-out half")->capture_default_str();
  exam->add_option("--limit-captions", a.limit, "photos of Flickr8k; 0: all 1,000");
  exam->add_option("--limit-questions", a.limit_asked, "photos of DAQUAR; 0: all 654");
  exam->add_flag("--answers", a.answers,
                 "generate the answer to each question, for tools/real_parts/wordnet_scores.py");
  exam->add_option("-o,--output", a.output, "results with all captions and answers, JSON")
      ->required();
  exam->add_option("-t,--threads", a.threads, "number of threads; 0: all cores");
  auto* edits = app.add_subcommand(
      "edits", "Writes the model's mistakes on photos as edits, in the form of MMEdit's files.");
  common(edits);
  edits->add_option("--coco", a.coco, "folder with captions.json and images/");
  edits->add_option("--nq", a.nq, "questions of NQ-open, lines of JSON")->required();
  auto& m = a.mistakes;
  edits->add_option("--form", a.form, "vqa: questions of DAQUAR; caption: of Flickr8k or COCO")
      ->check(CLI::IsMember({"vqa", "caption"}))
      ->capture_default_str();
  edits->add_option("--split", m.split, "photos for testing, or photos for training")
      ->check(CLI::IsMember({"eval", "train"}))
      ->capture_default_str();
  edits->add_option("--limit", m.limit, "edits, at most; 0: all mistakes")->capture_default_str();
  edits
      ->add_option("--questions-per-photo", m.questions_per_photo,
                   "vqa: maximum number of questions about a photo; more than 1 is for training")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  edits->add_option("--seed", m.seed, "random seed")->capture_default_str();
  edits->add_option("-o,--output", m.folder, "folder of the suite")->required();
  edits->add_option("-t,--threads", a.threads, "number of threads; 0: all cores");
  CLI11_PARSE(app, argc, argv);
  // A step frees its activations and allocates them again: keep the pages instead of returning
  // them.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  try {
    if (features->parsed()) compute(a);
    if (training->parsed()) train(a);
    if (exam->parsed()) examine(a);
    if (edits->parsed()) collect_edits(a);
  } catch (const std::exception& error) {
    fmt::print(stderr, "emend-photo-model: {}\n", error.what());
    return 1;
  }
  return 0;
}
