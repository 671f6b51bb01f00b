// Measures the scopes of a growing ledger: the time to add an edit to a memory of many edits, with
// the scopes of the earlier edits, and the time to compute all scopes again.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>

#include "editing/editors/ledger/keys/answer_sketch.h"
#include "editing/editors/ledger/scopes/fact_codes.h"
#include "editing/editors/ledger/scopes/scopes.h"
#include "run_benchmark.h"

namespace emend::bench {
namespace {

using Clock = std::chrono::steady_clock;

// Keys with few degrees of freedom, as those of real questions: (N, W).
struct KeySource {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(1);
  at::Tensor axes;

  at::Tensor keys(int64_t count) {
    return at::randn({count, axes.size(0)}, generator).matmul(axes);
  }
};

void add_entries(Memory& memory, const at::Tensor& keys) {
  for (const auto& key : keys.unbind()) {
    const auto number = memory.entries.size();
    nlohmann::json facts = {{"prompt", "What is this?"},
                            {"target", "cat"},
                            {"fact", fmt::format("fact {}", number)}};
    const auto consequences = key.narrow(0, 0, key.size(0) - kSketchWidth) + 1;
    memory.add({fmt::format("entry {}", number),
                std::move(facts),
                {{"key", key.clone()}, {"consequences", consequences}}});
  }
}

template <typename Work>
double median_seconds(int64_t times, Work work) {
  std::vector<double> seconds;
  for (int64_t i = 0; i < times; ++i) {
    const auto begin = Clock::now();
    work();
    seconds.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
  }
  std::nth_element(seconds.begin(), seconds.begin() + times / 2, seconds.end());
  return seconds[static_cast<size_t>(times / 2)];
}

int run(int argc, char** argv) {
  CLI::App app("Measures the scopes of a growing ledger.");
  std::vector<int64_t> sizes = {10, 1000, 10000};
  int64_t calibration = 3000, freedom = 24, added = 15;
  app.add_option("sizes", sizes, "numbers of edits")->capture_default_str();
  app.add_option("--calibration", calibration, "calibration questions")->capture_default_str();
  app.add_option("--freedom", freedom, "degrees of freedom of the keys")->capture_default_str();
  app.add_option("--added", added, "edits that are added")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  at::set_num_threads(1);
  fmt::print("{:>10} {:>16} {:>16} {:>8}\n", "edits", "one more, ms", "all again, ms", "ratio");
  for (const auto size : sizes) {
    Patch patch;
    patch.editor = "ledger";
    const LedgerConfig config;
    const auto width = 2 * config.embedding + kSketchWidth;
    KeySource source;
    source.axes = at::randn({freedom, width}, source.generator);
    patch.settings = {{"supersede", 0.5}};
    patch.memory.reading = {{"consequences", true}};
    patch.memory.network["calibration"] = source.keys(calibration);
    patch.memory.network["calibration_facts"] = at::zeros({calibration, kFactWidth});
    patch.memory.growing = true;
    add_entries(patch.memory, source.keys(size));
    LedgerScopes::of(patch);
    std::vector<at::Tensor> more;
    for (int64_t i = 0; i < added; ++i) more.push_back(source.keys(1));
    auto next = more.begin();
    const auto one = median_seconds(added, [&] {
      add_entries(patch.memory, *next++);
      LedgerScopes::of(patch);
    });
    const auto all = median_seconds(3, [&] { LedgerScopes scopes(patch); });
    fmt::print("{:>10} {:>16.2f} {:>16.2f} {:>8.1f}\n", size, 1e3 * one, 1e3 * all, all / one);
  }
  return 0;
}

}  // namespace
}  // namespace emend::bench

int main(int argc, char** argv) {
  return emend::bench::run_benchmark(emend::bench::run, argc, argv);
}
