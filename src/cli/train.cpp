#include <fmt/format.h>

#include <filesystem>
#include <iostream>

#include "cli/command.h"
#include "cli/table.h"
#include "editing/settings/easyedit/hparams.h"
#include "evaluation/training/collect_demonstrations.h"
#include "evaluation/training/train_editor.h"
#include "io/error.h"
#include "io/files/file.h"
#include "io/json/yaml.h"
#include "io/log.h"
#include "io/runtime.h"

namespace emend::cli {
namespace {

struct TrainArguments {
  Common common;
  std::string editor = "mend", suite = "scenes";
  ProtocolOptions protocol;
  std::string module, recipe, hparams, output, save_dtype = "fp32";
  SuiteOptions suite_options;
  int probes = 1;
  int64_t steps = 0;
  std::vector<std::string> settings;
  ActivationStore::Options store;
  std::string from;
  bool resume = false;
};

constexpr size_t kScenes = 1000000;  // records are drawn when asked for: as good as no end

SuiteOptions train_suite_options(const TrainArguments& arguments) {
  auto options = arguments.suite_options;
  options.seed = static_cast<uint64_t>(arguments.common.seed);
  if (arguments.suite == "scenes" && options.limit == 0) options.limit = kScenes;
  auto& probes = options.probes;
  probes.rewordings = probes.variants = probes.text_probes = probes.image_probes = arguments.probes;
  probes.portability = 0;
  return options;
}

// EasyEdit's file: it says which editor is trained.
nlohmann::json read_training(TrainArguments& arguments) {
  const auto hparams = read_hparams(arguments.hparams);
  if (!hparams.training.is_object())
    throw Error(
        "cli::train",
        fmt::format("'{}' is of {}, which needs no training", arguments.hparams, hparams.algorithm),
        "edit with it: emend edit --hparams FILE");
  log_ignored_keys(arguments.hparams, hparams.ignored_in_training);
  arguments.editor = hparams.spec.name;
  return hparams.training;
}

// The recipe's first, then what the command line says.
nlohmann::json all_settings(TrainArguments& arguments) {
  auto settings = nlohmann::json::object();
  if (!arguments.hparams.empty()) settings = read_training(arguments);
  if (!arguments.recipe.empty()) {
    settings = read_yaml(arguments.recipe);
    if (!settings.is_object())
      throw Error("cli::train", fmt::format("'{}' is no list of settings", arguments.recipe),
                  "write NAME: VALUE lines");
  }
  settings["seed"] = arguments.common.seed;
  settings.update(editor_settings(arguments.settings));
  if (!arguments.module.empty()) settings["module"] = arguments.module;
  if (arguments.steps > 0) settings["steps"] = arguments.steps;
  return settings;
}

// Training takes long: what cannot be written is found out before the model loads.
void check_output(const std::string& path) {
  namespace fs = std::filesystem;
  auto folder = fs::path(path).parent_path();
  std::error_code error;
  if (fs::is_directory(path, error) || (!folder.empty() && !fs::is_directory(folder, error)))
    throw Error("cli::train", fmt::format("'{}' cannot be written", path),
                "-o names a file in a folder that is there");
  for (const char* ending : {"", ".state"}) AtomicFile(path + ending).write("");
}

void print_result(const TrainArguments& arguments, const nlohmann::json& facts) {
  const auto& best = facts.at("best");
  std::vector<std::vector<std::string>> rows = {{"", "score %", "probes"}};
  if (!best.is_null())
    for (auto group : groups()) {
      auto found = best.at("scores").find(group_name(group));
      if (found != best.at("scores").end())
        rows.push_back({group_title(group), percent(found->at("score").get<double>()),
                        std::to_string(found->at("probes").get<int64_t>())});
    }
  auto steps = facts.at("steps").get<int64_t>();
  auto seconds = facts.at("seconds").get<double>();
  std::cout << table(rows);
  if (!best.is_null())
    std::cout << fmt::format("\n  best      at step {}\n  written   {}\n",
                             best.at("step").get<int64_t>(), arguments.output);
  std::cout << fmt::format("  steps     {}, {} skipped, {:.0f} ms each\n", steps,
                           facts.value("skipped_steps", int64_t{0}),
                           steps ? 1000 * seconds / static_cast<double>(steps) : 0.0)
            << fmt::format("  time      {:.0f} s, peak memory {} MB\n", seconds,
                           peak_resident_bytes() >> 20);
}

// IKE learns nothing: it chooses among demonstrations.
void collect(TrainArguments arguments, const nlohmann::json& settings) {
  if (arguments.resume || !arguments.from.empty())
    throw Error("cli::train", "demonstrations are collected at once",
                "leave out --resume and --from");
  CollectJob job;
  job.settings = read_settings<IkeCorpusSettings>("ike", settings);
  job.settings.templates.check();
  auto suite = open_suite(arguments.suite, train_suite_options(arguments));
  job.suite = suite.get();
  job.protocol = for_editor(for_suite(make_protocol(arguments.protocol), *suite), "ike");
  job.output = arguments.output;
  job.dtype = arguments.save_dtype == "bf16" ? at::kBFloat16 : at::kFloat;
  auto vlm = open_model(arguments.common, *suite);
  set_bos(vlm, job.protocol);
  auto facts = collect_demonstrations(vlm, job);
  if (arguments.common.json) {
    auto result = run_facts(arguments.common, vlm.precision);
    result["checkpoint"] = arguments.output;
    result["editor"] = {{"name", "ike"}, {"settings", settings_json(job.settings)}};
    result["training"] = facts;
    print_json(result);
    return;
  }
  std::vector<std::vector<std::string>> rows = {{"", "demonstrations"}};
  for (const auto& [kind, count] : facts.at("kinds").items()) rows.push_back({kind, count.dump()});
  std::cout << table(rows)
            << fmt::format("\n  records   {}, as {} asks\n  written   {}\n  time      {:.0f} s\n",
                           facts.at("records").dump(), arguments.protocol.name, arguments.output,
                           facts.at("seconds").get<double>());
}

void train(TrainArguments arguments) {
  check_output(arguments.output);
  const auto settings = all_settings(arguments);
  if (arguments.editor == "ike") return collect(arguments, settings);
  auto suite = open_suite(arguments.suite, train_suite_options(arguments));
  auto vlm = open_model(arguments.common, *suite);
  ActivationStore store(arguments.store);
  TrainJob job;
  job.suite = suite.get();
  job.protocol = for_suite(make_protocol(arguments.protocol), *suite);
  set_bos(vlm, job.protocol);
  job.protocol.generate_answers = false;
  job.output = arguments.output;
  job.dtype = arguments.save_dtype == "bf16" ? at::kBFloat16 : at::kFloat;
  job.resume = arguments.resume;
  job.from = arguments.from;
  job.seed = arguments.common.seed;
  // Drawn pictures come once: keeping them would help nobody.
  if (arguments.suite != "scenes") job.store = &store;
  auto trainee = make_trainee(arguments.editor, vlm, settings, job.store);
  auto facts = train_editor(vlm, *trainee, job);
  if (arguments.common.json) {
    auto result = run_facts(arguments.common, vlm.precision);
    result["checkpoint"] = arguments.output;
    result["editor"] = {{"name", trainee->editor()}, {"settings", trainee->settings()}};
    result["training"] = facts;
    result["peak_memory_bytes"] = peak_resident_bytes();
    print_json(result);
  } else {
    print_result(arguments, facts);
  }
  if (facts.at("interrupted").get<bool>()) throw CLI::RuntimeError(128 + InterruptGuard::signal());
}

}  // namespace

void add_train(CLI::App& program) {
  auto arguments = std::make_shared<TrainArguments>();
  auto* command = program.add_subcommand(
      "train",
      "Train an editor that learns how to edit: ke, mend, mend-iterated, serac; collect what ike "
      "shows");
  command->footer(R"(
CHECKPOINT is the best editor so far, as validation judges; CHECKPOINT.state is what --resume goes on
from, and may be deleted when training is over. Use it with --editor NAME --set checkpoint=CHECKPOINT;
as MODEL/editors/NAME-MODULE.safetensors (ike, serac: NAME.safetensors) it is found without.

The defaults are the field's, for models of billions of weights. The recipes beside the bundled
model's editors are for models of millions.

Examples:
  emend train --module language --recipe models/scenes-blip2/editors/mend-language.yaml -o mend.safetensors
  emend train --editor ke --recipe models/scenes-blip2/editors/ke-language.yaml -o ke.safetensors
  emend train --editor serac --recipe models/scenes-blip2/editors/serac.yaml --grid -o serac.safetensors
  emend train -m MODEL --hparams EasyEdit/hparams/TRAINING/MEND/blip2.yaml -o mend.safetensors
  emend train -m MODEL --suite e-vqa --data mmedit --images coco --module vision -o mend-vision.safetensors)");
  add_common(*command, arguments->common);
  auto* editor =
      command->add_option("--editor", arguments->editor, "what to train")->capture_default_str();
  command->add_option("--module", arguments->module,
                      "what it shall change: language, vision, tower; serac: repaired, or paper");
  command->add_option("-o,--output", arguments->output, "checkpoint to write")->required();
  auto* resume = command->add_flag("--resume", arguments->resume, "go on from OUTPUT.state");
  command
      ->add_option("--from", arguments->from,
                   "checkpoint, or OUTPUT.state, to begin with instead of fresh networks: another "
                   "round, with other settings")
      ->excludes(resume);
  command->add_option("--steps", arguments->steps, "steps at most")
      ->check(whole_number(1, 100000000));
  auto* recipe = command->add_option("--recipe", arguments->recipe, "YAML file of settings");
  command->add_option("--hparams", arguments->hparams, "EasyEdit's hyper-parameter file")
      ->excludes(editor)
      ->excludes(recipe);
  command
      ->add_option("--save-dtype", arguments->save_dtype,
                   "of OUTPUT's tensors: bf16 is half as large")
      ->check(one_of({"fp32", "bf16"}))
      ->capture_default_str();
  command->add_option("--set", arguments->settings,
                      "NAME=VALUE, a setting; goes before the recipe");
  auto& suite = arguments->suite_options;
  suite.split = "train";
  command->add_option("--suite", arguments->suite, "where edits come from")
      ->check(one_of(suite_names()))
      ->capture_default_str();
  command->add_option("--split", suite.split, "of the suite")->capture_default_str();
  command->add_option("--data", suite.data, "annotation file, or folder of the public download");
  command->add_option("--images", suite.images, "folder that image names are relative to");
  command->add_option("--rephrase-images", suite.rephrase_images,
                      "the same for rephrased images, where it is another one");
  command
      ->add_option("--limit", suite.limit,
                   "maximum number of records; 0: all (scenes: new ones without end)")
      ->check(whole_number(0, kMostRecords));
  command->add_flag("--grid", suite.grid, "crossed texts and pictures stay as before, too");
  command->add_option("--form", suite.form, "scenes: vqa, caption, or both by turns")
      ->capture_default_str();
  command->add_option("--probes", arguments->probes, "scenes: probes a group, at most")
      ->check(whole_number(1, kMostProbes))
      ->capture_default_str();
  add_protocol_options(*command, arguments->protocol, "prompts, and how validation judges");
  command
      ->add_option("--cache-memory", arguments->store.memory_bytes,
                   "memory for pictures' features: 512M, 4G (1G)")
      ->transform(memory_size());
  command->add_option("--cache-dir", arguments->store.directory,
                      "folder for them, where later runs find them");
  command->callback([arguments] { train(*arguments); });
}

}  // namespace emend::cli
