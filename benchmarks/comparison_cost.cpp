// Measures what a comparison of editors costs for each record, in two ways that make the same
// edits. In one run, the editors share the pictures, the measurement before the edit and
// everything before the edited stages. The naive way runs each editor separately, and runs each
// probe from the pixels, before and after the edit.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>

#include "editing/settings/settings_file.h"
#include "evaluation/bench/judge.h"
#include "evaluation/bench/run_description.h"
#include "flop_counter.h"
#include "gemm_peak.h"
#include "io/error.h"
#include "io/runtime.h"
#include "run_benchmark.h"

namespace emend::bench {
namespace {

struct Cost {
  double operations = 0, processor = 0;  // processor: seconds

  Cost& operator+=(const Cost& other) {
    operations += other.operations;
    processor += other.processor;
    return *this;
  }
};

// The cost of one candidate on all records, and the scores of its probes.
struct Outcome {
  Cost cost;
  std::vector<double> scores;
};

// One edit of a record, judged. Without `outcome`, the cost does not count: that of the first
// record includes what is computed once for a run, which matters for small models.
void judge_record(Judge& judge, Candidate& candidate, RecordState& state, Outcome* outcome) {
  const double busy = processor_seconds();
  const FlopCounter counter;
  std::vector<RecordState> states;
  states.push_back({state.index, state.record});
  AppliedEdit edit;
  if (candidate.editor) edit = judge.make(candidate, states, /*keep=*/false);
  const auto verdict = judge.judge(candidate, state, candidate.editor ? &edit : nullptr);
  if (verdict.sample.contains("failed"))
    throw Error("benchmarks::comparison",
                fmt::format("{} failed on record {}: {}", candidate.label, state.index,
                            verdict.sample.at("failed").get<std::string>()),
                "leave the editor out, or choose other settings");
  fmt::print(stderr, "record {}, {}: {:.1f} processor s\n", state.index, candidate.label,
             processor_seconds() - busy);
  if (!outcome) return;
  outcome->cost += {static_cast<double>(counter.operations()), processor_seconds() - busy};
  for (const auto& probe : verdict.sample.at("probes"))
    outcome->scores.push_back(probe.at("score"));
}

double largest_difference(const Outcome& a, const Outcome& b) {
  double most = a.scores.size() == b.scores.size() ? 0 : INFINITY;
  for (size_t i = 0; i < std::min(a.scores.size(), b.scores.size()); ++i)
    most = std::max(most, std::abs(a.scores[i] - b.scores[i]));
  return most;
}

void print(const std::string& label, const Cost& naive, const Cost& shared, double records,
           const std::string& difference) {
  fmt::print("  {:<26}{:>11.2f}{:>11.2f}{:>9.1f}{:>11.3f}{:>11.3f}{:>9.1f}{:>14}\n", label,
             naive.operations / records / 1e9, shared.operations / records / 1e9,
             naive.operations / shared.operations, naive.processor / records,
             shared.processor / records, naive.processor / shared.processor, difference);
  std::fflush(stdout);
}

int run(int argc, char** argv) {
  CLI::App app("Measures what a comparison of editors costs, against one run for each editor.");
  std::string folder = EMEND_SOURCE_DIR "/models/scenes-blip2", name = "scenes",
              list =
                  "ft:language,ft:connector,lora,mend:language,ke:language,serac,rome,memit,ledger";
  std::vector<std::string> settings;
  SuiteOptions suite_options;
  suite_options.limit = 10;
  int threads = 1;
  size_t uncounted = 1;
  std::string dtype = "fp32";
  app.add_option("-m,--model", folder, "model folder")->capture_default_str();
  app.add_option("--editors", list)->capture_default_str();
  app.add_option("--set", settings, "[EDITOR.]KEY=VALUE, a setting of one or all editors");
  app.add_option("--suite", name, "suite of records")->capture_default_str();
  app.add_option("--data", suite_options.data, "annotation file, or folder of the dataset");
  app.add_option("--limit", suite_options.limit, "number of records")->capture_default_str();
  app.add_option("--uncounted", uncounted, "number of records before them that do not count")
      ->capture_default_str();
  app.add_option("--dtype", dtype)
      ->check(CLI::IsMember({"auto", "fp32", "bf16"}))
      ->capture_default_str();
  app.add_option("-t,--threads", threads, "number of threads; 0: all cores")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  threads = set_threads(threads);
  suite_options.limit += uncounted;
  const auto suite = open_suite(name, suite_options);
  auto editors = parse_editors(list);
  apply_pairs(editors, settings);
  RunOptions options;
  options.protocol = make_protocol("mmedit-2024");
  options.protocol.generate_answers = false;
  auto candidates = make_candidates(editors, options);
  LoadOptions load_options;
  load_options.dtype = named_dtype(dtype);
  const auto vlm = load_vlm(folder, load_options);
  vlm.fingerprint();  // reading all weights is not part of a record's cost

  if (suite->size() <= uncounted)
    throw Error("benchmarks::comparison", fmt::format("{} has too few records", name),
                "use --limit 1 or more, and fewer --uncounted records");
  const auto records = static_cast<double>(suite->size() - uncounted);
  std::vector<Outcome> naive(candidates.size()), shared(candidates.size());
  ActivationStore store{ActivationStore::Options()};
  Judge one_run(vlm, *suite, &store, /*reuse=*/true, candidates);
  Judge own_runs(vlm, *suite, nullptr, /*reuse=*/false, candidates);
  for (size_t index = 0; index < suite->size(); ++index) {
    RecordState in_one{index, suite->record(index)};
    for (size_t c = 0; c < candidates.size(); ++c)
      judge_record(one_run, candidates[c], in_one, index < uncounted ? nullptr : &shared[c]);
    for (size_t c = 1; c < candidates.size(); ++c) {
      RecordState own{index, suite->record(index)};
      judge_record(own_runs, candidates[c], own, index < uncounted ? nullptr : &naive[c]);
    }
  }

  fmt::print("{}, {} records of {}, {} thread{}; for each record:\n", folder,
             suite->size() - uncounted, name, threads, threads == 1 ? "" : "s");
  fmt::print("  {:<26}{:>11}{:>11}{:>9}{:>11}{:>11}{:>9}{:>14}\n", "", "naive", "one run", "",
             "naive", "one run", "", "difference");
  fmt::print("  {:<26}{:>11}{:>11}{:>9}{:>11}{:>11}{:>9}{:>14}\n", "", "GFLOP", "GFLOP", "cheaper",
             "proc. s", "proc. s", "faster", "of scores");
  fmt::print("  {:<26}{:>11}{:>11.2f}{:>9}{:>11}{:>11.3f}\n", "before the edits, shared", "",
             shared[0].cost.operations / records / 1e9, "", "", shared[0].cost.processor / records);
  Cost all_naive, all_shared = shared[0].cost;
  double most = 0;
  for (size_t c = 1; c < candidates.size(); ++c) {
    const double difference = largest_difference(naive[c], shared[c]);
    most = std::max(most, difference);
    all_naive += naive[c].cost;
    all_shared += shared[c].cost;
    print(candidates[c].label, naive[c].cost, shared[c].cost, records,
          fmt::format("{:.3f}", difference));
  }
  print(fmt::format("all {}", candidates.size() - 1), all_naive, all_shared, records,
        fmt::format("{:.3f}", most));
  return 0;
}

}  // namespace
}  // namespace emend::bench

int main(int argc, char** argv) {
  return emend::bench::run_benchmark(emend::bench::run, argc, argv);
}
