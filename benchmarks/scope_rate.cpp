// Measures the rate of fresh unrelated questions of Scenes in the scope of a ledger, next to the
// bound that its certificate gives, and the time that the routing of a question takes.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>

#include "editing/editors/ledger/scopes.h"
#include "editing/editors/memory/prompt_answers.h"
#include "evaluation/training/train_editor.h"
#include "run_benchmark.h"
#include "suites/suite.h"

namespace emend::bench {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// The keys of the unrelated questions of a record: (questions, width).
at::Tensor unrelated_keys(const Vlm& vlm, const LedgerState& state, const Record& record,
                          const Protocol& protocol) {
  const auto example = example_of(record, protocol, /*own=*/false);
  std::vector<at::Tensor> keys;
  for (const auto* queries : {&example.image_locality, &example.text_locality})
    for (const auto& query : *queries) {
      const auto batch = force(vlm, {query}, /*end_of_answer=*/false).batch;
      const auto seen = look_at(vlm, batch.pixels, nullptr);
      keys.push_back(state.key_of(vlm, batch, seen, prompt_answers(*vlm.model, batch, seen)));
    }
  return at::cat(keys);
}

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
  size_t asked = 0, touched = 0;
  double seconds = 0;
  for (size_t index = 0; asked < questions; ++index) {
    const auto keys = unrelated_keys(vlm, state, suite->record(index), Protocol());
    begin = Clock::now();
    const auto entries = scopes.route(keys);
    seconds += since(begin);
    asked += static_cast<size_t>(keys.size(0));
    touched += static_cast<size_t>((entries >= 0).sum().item<int64_t>());
  }
  const auto& certificate = scopes.certificate();
  fmt::print("entries            {}, opened in {:.2f} s\n", patch.memory.entries.size(),
             seconds_to_open);
  fmt::print("certificate        at most {:.3g} % with confidence {:.3g} %, threshold {:.3f}\n",
             100 * certificate.risk, 100 * certificate.confidence, certificate.threshold);
  fmt::print("touched            {} of {} fresh questions, {:.3f} %\n", touched, asked,
             100.0 * static_cast<double>(touched) / static_cast<double>(asked));
  fmt::print("routing            {:.1f} us per question\n",
             1e6 * seconds / static_cast<double>(asked));
  return 0;
}

}  // namespace
}  // namespace emend::bench

int main(int argc, char** argv) {
  return emend::bench::run_benchmark(emend::bench::run, argc, argv);
}
