// Measures what one record of the benchmark costs: the naive way; and emend with a cold store, with
// a warm store, and for a later editor of a comparison. Operations are counted while they run.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>

#include "floor.h"
#include "flop_counter.h"
#include "gemm_peak.h"
#include "io/runtime.h"
#include "naive.h"
#include "run_benchmark.h"
#include "sample_record.h"
#include "sized_model.h"

namespace emend::bench {
namespace {

struct Cost {
  double operations = 0;
  double processor = 0, wall = 0;  // seconds
  uint64_t peak = 0;               // peak of resident bytes
};

Cost operator+(const Cost& a, const Cost& b) {
  return {a.operations + b.operations, a.processor + b.processor, a.wall + b.wall,
          std::max(a.peak, b.peak)};
}

// The cost of `work`, which runs after `prepare`. Operations are counted once. Short work is timed
// again without the counter, and the best time is used.
Cost cost_of(
    const std::function<void()>& work, const std::function<void()>& prepare = [] {}) {
  Cost cost;
  const auto timed = [&] {
    const auto begin = std::chrono::steady_clock::now();
    const double busy = processor_seconds();
    work();
    const double took = processor_seconds() - busy;
    if (cost.processor > 0 && took >= cost.processor) return;
    cost.processor = took;
    cost.wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  prepare();
  std::ofstream("/proc/self/clear_refs") << 5;  // resets the peak, so that it is that of this work
  {
    FlopCounter counter;
    timed();
    cost.operations = static_cast<double>(counter.operations());
  }
  cost.peak = peak_resident_bytes();
  for (int i = 0; i < 5 && cost.processor < 2; ++i) {
    prepare();
    timed();
  }
  return cost;
}

struct Bench {
  SizedModel sized;
  Record record;
  Protocol protocol = sample_protocol();
  double peak = 0;        // operations per CPU second
  uint64_t resident = 0;  // with the model loaded
  std::vector<RowShape> rows;
};

std::vector<RowShape> shapes_of(const Bench& bench) {
  const auto& processor = bench.sized.vlm.processor;
  const auto request = request_of(bench.record, bench.protocol);
  std::vector<RowShape> rows;
  const auto add = [&](bool image, const std::string& prompt, const std::string& answer, bool all) {
    RowShape row;
    row.image = image;
    row.wanted = processor.target(answer).size();
    row.length = processor.row(prompt, image ? 0 : -1).ids.size() + row.wanted;
    if (all) row.wanted = row.length;
    rows.push_back(row);
  };
  add(true, request.prompt, request.target, false);
  for (const auto& probe : bench.record.probes)
    add(probe.image.present(), probe_prompt(bench.protocol, bench.record, probe),
        continuation(bench.protocol, probe.answer), is_locality(probe.group));
  return rows;
}

void print(const Bench& bench, const std::string& way, const Cost& cost, double floor,
           const Cost& naive) {
  const double scale = bench.sized.weight_bytes < (1u << 30) ? 1e9 : 1e12;
  fmt::print("  {:<26}{:>9.2f}", way, cost.operations / scale);
  if (floor > 0)
    fmt::print("{:>9.2f}{:>8.2f}", floor / scale, cost.operations / floor);
  else
    fmt::print("{:>9}{:>8}", "", "");
  fmt::print("{:>9.1f}{:>10.2f}{:>8.1f}{:>8.0f} %{:>9.2f}{:>8.0f} MiB{:>6.0f} %\n",
             naive.operations / cost.operations, cost.processor, naive.processor / cost.processor,
             100 * cost.operations / cost.processor / bench.peak, cost.wall,
             (static_cast<double>(cost.peak) - static_cast<double>(bench.resident)) / (1 << 20),
             100 * (static_cast<double>(cost.peak) - static_cast<double>(bench.resident)) /
                 static_cast<double>(bench.sized.weight_bytes));
  std::fflush(stdout);
}

// Only pictures, from the pixels to the end of the vision module.
void encoding(const Bench& bench) {
  const auto& vlm = bench.sized.vlm;
  const auto forced = force(vlm, {{bench.record.image, "it", " is"}}, false);
  size_t last = 0;
  while (vlm.model->stages()[last + 1].module == Module::vision_tower) ++last;
  Cost best;
  for (int i = 0; i < 3; ++i) {
    const auto cost = cost_of([&] {
      at::NoGradGuard no_grad;
      auto pass = vlm.model->collate(forced.batch);
      vlm.model->run(pass, last);
    });
    if (best.processor == 0 || cost.processor < best.processor) best = cost;
  }
  fmt::print("encoding one picture: {:.1f} GFLOP, {:.3f} CPU s, {:.0f} % of the GEMM peak\n",
             best.operations / 1e9, best.processor,
             100 * best.operations / best.processor / bench.peak);
}

void run_editor(const Bench& bench, const EditorSpec& spec) {
  const auto& vlm = bench.sized.vlm;
  const auto editor = make_editor(spec.name, spec.settings);
  const auto request = request_of(bench.record, bench.protocol);
  const auto boundary = editor->first_stage(*vlm.model);

  std::unique_ptr<ActivationStore> store;
  MeasureOptions options;
  options.boundaries = {boundary};
  EditContext context;
  const auto fresh = [&] {
    store = std::make_unique<ActivationStore>(ActivationStore::Options());
    options.store = context.store = store.get();
  };
  Baseline baseline;
  Patch patch;
  const auto look = [&] {
    baseline = measure_baseline(vlm, bench.record, bench.protocol, {}, options);
  };
  const auto work = [&] {
    patch = editor->edit(vlm, {request}, context);
    measure(vlm, baseline, patch.interventions(vlm));
  };
  const auto looking = cost_of(look, fresh);
  const auto working = cost_of(work, [&] {
    if (!patch.base.empty()) fresh(), look();
  });
  const auto warm = cost_of([&] { look(), work(); });

  Tuning tuning;
  tuning.sites = patch.deltas;
  tuning.steps = patch.effect.at("steps");
  tuning.lr = patch.settings.at("lr");
  const auto naive = cost_of([&] { run_naive(vlm, bench.record, bench.protocol, tuning); });

  std::vector<Site> sites;
  for (const auto& delta : tuning.sites) sites.push_back(vlm.model->site(delta.site));
  const auto& first = tuning.sites.front().delta;
  const auto floor = floor_of(bench.sized.config, *vlm.model, bench.rows, 3, sites,
                              first.low_rank() ? first.up.size(1) : 0, tuning.steps);

  fmt::print("{} ({} sites, {} steps)\n", spec.label, sites.size(), tuning.steps);
  print(bench, "naive", naive, 0, naive);
  print(bench, "cold store", looking + working, floor.cold(), naive);
  print(bench, "later in a comparison", working, floor.another(), naive);
  print(bench, "warm store", warm, floor.another(), naive);
}

int run(int argc, char** argv) {
  CLI::App app("Measures what one record costs, for each editor.");
  std::string size = "bundled", editors = "ft:language,ft:connector,ft:projector,lora", dtype;
  int64_t pixels = 364;
  int threads = 0, steps = 15;
  app.add_option("--size", size, "model size: bundled, 300m or opt-2.7b")->capture_default_str();
  app.add_option("--pixels", pixels, "picture side in pixels; ignored for the bundled model")
      ->capture_default_str();
  app.add_option("--editors", editors)->capture_default_str();
  app.add_option("--steps", steps, "optimization steps")->capture_default_str();
  app.add_option("--dtype", dtype,
                 "bf16 or fp32; default: fp32 for the bundled model, bf16 for others");
  app.add_option("-t,--threads", threads, "number of threads; 0: all cores")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  threads = set_threads(threads);
  if (dtype.empty()) dtype = size == "bundled" ? "fp32" : "bf16";
  const auto type = dtype == "fp32" ? at::kFloat : at::kBFloat16;
  Bench bench;
  bench.sized = make_sized_model(size, pixels, type);
  bench.record = sample_record(static_cast<int>(bench.sized.config.vision.image_size));
  bench.rows = shapes_of(bench);
  bench.peak = gemm_peak(type);
  bench.resident = resident_bytes();

  fmt::print(
      "{}, {} pixels, {}, {} threads; weights {:.1f} MiB; GEMM peak {:.0f} GFLOP per CPU second\n",
      size, bench.sized.config.vision.image_size, dtype, threads,
      static_cast<double>(bench.sized.weight_bytes) / (1 << 20), bench.peak / 1e9);
  std::vector<int64_t> lengths;
  for (const auto& row : bench.rows) lengths.push_back(row.length);
  fmt::print("rows of {} positions, 3 pictures\n", fmt::join(lengths, ", "));
  encoding(bench);
  fmt::print("{:<28}{:>9}{:>9}{:>8}{:>9}{:>10}{:>8}{:>10}{:>9}{:>12}{:>8}\n", "",
             bench.sized.weight_bytes < (1u << 30) ? "GFLOP" : "TFLOP", "floor", "x floor",
             "cheaper", "proc. s", "faster", "of peak", "wall s", "memory", "of w.");
  for (auto& spec : parse_editors(editors)) {
    spec.settings["steps"] = steps;
    spec.settings["stop_loss"] = 0;
    spec.settings["lr"] = 2e-4;
    spec.settings["end_of_answer"] = false;
    run_editor(bench, spec);
  }
  return 0;
}

}  // namespace
}  // namespace emend::bench

int main(int argc, char** argv) {
  return emend::bench::run_benchmark(emend::bench::run, argc, argv);
}
