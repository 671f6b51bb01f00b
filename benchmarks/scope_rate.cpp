// Measures the rate of fresh unrelated questions of Scenes in the scope of a ledger, next to the
// bound that its certificate gives, the time that the routing of a question takes, and the cost of
// an answer with all entries and with the first ten. Questions about facts that the ledger edits
// are counted on their own.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>

#include "editing/editors/ledger/scopes/scopes.h"
#include "editing/editors/memory/prompt_answers.h"
#include "evaluation/training/train_editor.h"
#include "gemm_peak.h"
#include "run_benchmark.h"
#include "suites/suite.h"

namespace emend::bench {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// The questions of a record that its own edit leaves alone.
struct Questions {
  at::Tensor keys;  // (questions, width)
  std::vector<std::string> facts;
};

Questions unrelated_questions(const Vlm& vlm, const LedgerState& state, const Record& record,
                              const Protocol& protocol) {
  const auto example = example_of(record, protocol, /*own=*/false);
  auto queries = example.image_locality;
  queries.insert(queries.end(), example.text_locality.begin(), example.text_locality.end());
  const auto batch = force(vlm, queries, /*end_of_answer=*/false).batch;
  const auto image_features = get_image_features(vlm, batch.pixels, nullptr, /*batched=*/true);
  Questions all{
      state.key_of(vlm, batch, image_features, prompt_answers(*vlm.model, batch, image_features)),
      {}};
  for (const auto& query : queries) all.facts.push_back(query.fact);
  return all;
}

constexpr size_t kFewEntries = 10;
constexpr size_t kTimedRecords = 25;

// Processor seconds for answering unrelated questions, one question per pass, for each of the sets
// of interventions.
std::vector<double> answer_seconds(const Vlm& vlm, const Suite& suite,
                                   const std::vector<Interventions>& all) {
  std::vector<double> seconds(all.size(), 0);
  for (size_t index = 0; index < kTimedRecords; ++index) {
    for (const auto& probe : suite.record(index).probes) {
      if (probe.group != Group::image_locality) continue;
      const Query query{probe.image.load(), probe.text};
      for (size_t i = 0; i < all.size(); ++i) {
        const auto begin = processor_seconds();
        teacher_force(vlm, {query}, {probe.answer}, all[i]);
        seconds[i] += processor_seconds() - begin;
      }
    }
  }
  return seconds;
}

struct Count {
  size_t asked = 0, touched = 0;
  double percent() const {
    return asked ? 100.0 * static_cast<double>(touched) / static_cast<double>(asked) : 0;
  }
};

int run(int argc, char** argv) {
  CLI::App app("Measures how many unrelated questions are in the scope of a ledger.");
  std::string folder = EMEND_SOURCE_DIR "/models/scenes-blip2", path, split = "pretrain";
  int threads = 0;
  uint64_t seed = 1000;
  size_t questions = 20000;
  app.add_option("patch", path, "patch of the editor ledger")->required();
  app.add_option("-m,--model", folder)->capture_default_str();
  app.add_option("-t,--threads", threads);
  app.add_option("--split", split, "split of Scenes")->capture_default_str();
  app.add_option("--seed", seed, "seed of Scenes; training used small numbers")
      ->capture_default_str();
  app.add_option("--questions", questions, "number of unrelated questions")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  set_threads(threads);

  at::NoGradGuard no_grad;
  const auto vlm = load_vlm(folder);
  const auto patch = load_patch(path);
  LedgerState state(*vlm.model, read_settings<LedgerConfig>("ledger", patch.memory.reading));
  state.load(patch.memory.network, path);
  auto begin = Clock::now();
  const LedgerScopes scopes(patch);
  const double seconds_to_open = since(begin);
  SuiteOptions options;
  options.split = split;
  options.seed = seed;
  options.grid = true;
  options.limit = questions;
  const auto suite = open_suite("scenes", options);
  Count unrelated, edited;
  double seconds = 0;
  for (size_t index = 0; unrelated.asked < questions; ++index) {
    const auto fresh = unrelated_questions(vlm, state, suite->record(index), Protocol());
    begin = Clock::now();
    const auto entries = scopes.route(fresh.keys).entry;
    seconds += since(begin);
    for (size_t i = 0; i < fresh.facts.size(); ++i) {
      auto& count = scopes.edits(fresh.facts[i]) ? edited : unrelated;
      ++count.asked;
      count.touched += entries[static_cast<int64_t>(i)].item<int64_t>() >= 0;
    }
  }
  const auto& certificate = scopes.certificate();
  fmt::print("entries            {}, opened in {:.2f} s\n", patch.memory.entries.size(),
             seconds_to_open);
  fmt::print(
      "certificate        at most {:.3g} % with confidence {:.3g} %, threshold {:.3f}, from {} of "
      "{} "
      "questions; {} more are about edited facts\n",
      100 * certificate.risk, 100 * certificate.confidence, certificate.threshold,
      certificate.touched, certificate.samples, certificate.left_out);
  fmt::print("touched            {} of {} fresh questions, {:.3f} %\n", unrelated.touched,
             unrelated.asked, unrelated.percent());
  fmt::print("about edited facts {} of {} fresh questions touched, {:.3f} %\n", edited.touched,
             edited.asked, edited.percent());
  fmt::print("routing            {:.1f} us per question\n",
             1e6 * seconds / static_cast<double>(unrelated.asked + edited.asked));
  auto few = patch;
  auto& entries = few.memory.entries;
  entries.resize(std::min(entries.size(), kFewEntries));
  const auto cost = answer_seconds(
      vlm, *suite, {few.interventions(vlm, nullptr), patch.interventions(vlm, nullptr)});
  fmt::print("an answer          {:.3f} times the processor time that it takes with {} entries\n",
             cost[1] / cost[0], entries.size());
  return 0;
}

}  // namespace
}  // namespace emend::bench

int main(int argc, char** argv) {
  return emend::bench::run_benchmark(emend::bench::run, argc, argv);
}
