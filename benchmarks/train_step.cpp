// Measures what a training step of MEND costs for each edit: the naive way (one edit at a time, and
// a separate pass through the whole model for each question), and batches that start behind the
// frozen stages, with new pictures and with pictures that are in the store.
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <fstream>
#include <functional>

#include "editing/editors/hyper/mend.h"
#include "editing/targets/block_sites.h"
#include "editing/targets/target_modules.h"
#include "editing/training/edit_example.h"
#include "evaluation/training/train_editor.h"
#include "flop_counter.h"
#include "gemm_peak.h"
#include "io/runtime.h"
#include "run_benchmark.h"
#include "sample_record.h"
#include "sized_model.h"

namespace emend::bench {
namespace {

struct Cost {
  double operations = 0, processor = 0, wall = 0, loss = 0;
  uint64_t peak = 0;
};

Cost cost_of(const std::function<double()>& work) {
  Cost cost;
  std::ofstream("/proc/self/clear_refs") << 5;  // resets the peak, so that it is that of this work
  const auto begin = std::chrono::steady_clock::now();
  const double busy = processor_seconds();
  {
    FlopCounter counter;
    cost.loss = work();
    cost.operations = static_cast<double>(counter.operations());
  }
  cost.processor = processor_seconds() - busy;
  cost.wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  cost.peak = peak_resident_bytes();
  return cost;
}

struct Bench {
  SizedModel sized;
  std::vector<EditExample> examples;
  std::unique_ptr<MendState> mend;
  LossWeights weights;
  size_t first = 0;
  bool reaches_text = false;

  void backward(const at::Tensor& total) const {
    std::vector<at::Tensor> parameters;
    for (const auto& [name, tensor] : mend->network.parameters()) parameters.push_back(tensor);
    torch::autograd::grad({total}, parameters, {}, false, false, /*allow_unused=*/true);
  }
  ExampleBatch prepare(const std::vector<EditExample>& of, size_t from,
                       ActivationStore* store) const {
    return prepare_examples(sized.vlm, of, from, reaches_text, weights.end_of_answer, store);
  }
};

// Makes a separate example of each question of an example.
std::vector<EditExample> alone(const EditExample& example) {
  std::vector<EditExample> each;
  const auto add = [&](std::vector<TargetQuery> EditExample::*part) {
    for (const auto& query : example.*part) {
      EditExample one;
      one.edit = example.edit;
      (one.*part).push_back(query);
      each.push_back(one);
    }
  };
  add(&EditExample::generality);
  add(&EditExample::image_locality);
  add(&EditExample::text_locality);
  return each;
}

double naive(const Bench& bench) {
  const auto& model = *bench.sized.vlm.model;
  double sum = 0;
  for (const auto& example : bench.examples) {
    const auto parts = alone(example);
    auto edit = bench.prepare({parts.front()}, 0, nullptr);
    auto made = bench.mend->make(model, edit.edit_pass, edit.edits, {});
    at::Tensor total;
    for (size_t i = 0; i < parts.size(); ++i) {
      const auto batch = i ? bench.prepare({parts[i]}, 0, nullptr) : edit;
      auto losses = edit_losses(model, batch, made.deltas, bench.weights);
      total = total.defined() ? total + losses.total : losses.total;
    }
    bench.backward(total);
    sum += total.item<double>();
  }
  return sum / static_cast<double>(bench.examples.size());
}

double batched(const Bench& bench, ActivationStore* store) {
  const auto& model = *bench.sized.vlm.model;
  auto batch = bench.prepare(bench.examples, bench.first, store);
  auto made = bench.mend->make(model, batch.edit_pass, batch.edits, {});
  auto losses = edit_losses(model, batch, made.deltas, bench.weights);
  bench.backward(losses.total);
  return losses.total.item<double>();
}

void print(const Bench& bench, const std::string& way, const Cost& cost, const Cost& base,
           double peak, uint64_t resident) {
  const auto examples = static_cast<double>(bench.examples.size());
  fmt::print("  {:<30}{:>10.3f}{:>9.1f}{:>11.3f}{:>8.1f}{:>8.0f} %{:>9.3f}{:>8.0f} MiB  {:.6f}\n",
             way, cost.operations / examples / 1e9, base.operations / cost.operations,
             cost.processor / examples, base.processor / cost.processor,
             100 * cost.operations / cost.processor / peak, cost.wall / examples,
             (static_cast<double>(cost.peak) - static_cast<double>(resident)) / (1 << 20),
             cost.loss);
  std::fflush(stdout);
}

std::vector<EditExample> make_examples(const SizedModel& sized, int64_t count) {
  std::vector<EditExample> examples;
  const auto protocol = sample_protocol();
  const auto side = static_cast<int>(sized.config.vision.image_size);
  for (int64_t i = 0; i < count; ++i)
    examples.push_back(example_of(sample_record(side), protocol, /*own=*/false));
  return examples;
}

void run_module(Bench& bench, const std::string& module, int64_t rank, double peak) {
  const auto& model = *bench.sized.vlm.model;
  BlockSites where;
  where.module = module;
  const auto sites = where.find(model);
  bench.first = first_stage_of(model, sites);
  bench.reaches_text = module == "language";
  MendNetwork::Options options;
  options.rank = rank;
  bench.mend = std::make_unique<MendState>(MendState{MendNetwork(sites, options), false});
  // The network normalizes by the statistics of its inputs.
  auto seen = bench.prepare(bench.examples, bench.first, nullptr);
  bench.mend->network.observe(edit_factors(model, seen.edit_pass, seen.edits, sites, {}).sites);
  const auto resident = resident_bytes();

  fmt::print("mend:{} ({} sites, {} edits a batch)\n", module, sites.size(), bench.examples.size());
  const auto base = cost_of([&] { return naive(bench); });
  print(bench, "naive", base, base, peak, resident);
  print(bench, "a batch, pictures new", cost_of([&] { return batched(bench, nullptr); }), base,
        peak, resident);
  ActivationStore store{ActivationStore::Options()};
  bench.prepare(bench.examples, bench.first, &store);
  print(bench, "a batch, pictures seen before", cost_of([&] { return batched(bench, &store); }),
        base, peak, resident);
}

int run(int argc, char** argv) {
  CLI::App app("Measures what a training step of MEND costs for each edit.");
  std::string size = "bundled", dtype;
  int64_t pixels = 364, batch = 8, rank = 96;
  int threads = 0;
  app.add_option("--size", size, "model size: bundled, 300m or opt-2.7b")->capture_default_str();
  app.add_option("--pixels", pixels, "picture side in pixels; ignored for the bundled model")
      ->capture_default_str();
  app.add_option("--batch", batch, "edits per batch")->capture_default_str();
  app.add_option("--rank", rank, "rank of the networks")->capture_default_str();
  app.add_option("--dtype", dtype,
                 "bf16 or fp32; default: fp32 for the bundled model, bf16 for others");
  app.add_option("-t,--threads", threads, "number of threads; 0: all cores")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  threads = set_threads(threads);
  if (dtype.empty()) dtype = size == "bundled" ? "fp32" : "bf16";
  const auto type = dtype == "fp32" ? at::kFloat : at::kBFloat16;
  Bench bench;
  bench.sized = make_sized_model(size, pixels, type);
  bench.examples = make_examples(bench.sized, batch);
  const auto peak = gemm_peak(type);
  fmt::print(
      "{}, {} pixels, {}, {} threads; GEMM peak {:.0f} GFLOP per CPU second; for each edit:\n",
      size, bench.sized.config.vision.image_size, dtype, threads, peak / 1e9);
  fmt::print("{:<32}{:>10}{:>9}{:>11}{:>8}{:>10}{:>9}{:>12}  {}\n", "", "GFLOP", "cheaper",
             "proc. s", "faster", "of peak", "wall s", "memory", "loss");
  run_module(bench, "language", rank, peak);
  run_module(bench, "connector", rank, peak);
  return 0;
}

}  // namespace
}  // namespace emend::bench

int main(int argc, char** argv) {
  return emend::bench::run_benchmark(emend::bench::run, argc, argv);
}
