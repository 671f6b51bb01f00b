// Measures what a model folder of real size costs: opening it, encoding a picture, running a
// prompt, generating token by token, and an optimization step, relative to the limits of this
// machine, which are measured in the same run.
#include <fmt/format.h>
#include <torch/version.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>

#include "flop_counter.h"
#include "gemm_peak.h"
#include "io/runtime.h"
#include "memory_bandwidth.h"
#include "models/generation/decode_step.h"
#include "models/prompting/request_batch.h"
#include "run_benchmark.h"
#include "sample_record.h"

namespace emend::bench {
namespace {

struct Time {
  double wall = 0, processor = 0;  // seconds
};

Time time_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  const double busy = processor_seconds();
  work();
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(),
          processor_seconds() - busy};
}

Time best_of(int times, const std::function<void()>& work) {
  Time best = time_of(work);
  for (int i = 1; i < times; ++i) {
    const auto time = time_of(work);
    best = {std::min(best.wall, time.wall), std::min(best.processor, time.processor)};
  }
  return best;
}

double gib(double bytes) { return bytes / (1 << 30); }

// Counts the operations of `work`, and times it without counting.
void say_work(const std::string& what, double peak, const std::function<void()>& work) {
  double operations = 0;
  {
    FlopCounter counter;
    work();
    operations = static_cast<double>(counter.operations());
  }
  const auto time = best_of(3, work);
  fmt::print("{:<34}{:>9.3f} s {:>9.3f} CPU s {:>9.1f} GFLOP {:>5.0f} % of the GEMM peak\n", what,
             time.wall, time.processor, operations / 1e9, 100 * operations / time.processor / peak);
  std::fflush(stdout);
}

// Bytes of weights that the next token needs: those of the language module, without the rows of the
// embedding that are not looked up.
double bytes_a_token(const Model& model) {
  const auto first = model.first_stage(Module::language);
  double bytes = 0;
  for (const auto& site : model.sites())
    if (site.stage >= first) bytes += static_cast<double>(model.weight(site).nbytes());
  return bytes;
}

void decode(const Vlm& vlm, const Pass& prompt, int tokens, double bandwidth) {
  const auto& model = *vlm.model;
  at::NoGradGuard no_grad;
  auto pass = prompt;
  pass.cache = std::make_shared<KvCache>();
  pass.logit_positions = at::full({1}, pass.ids.numel() - 1, at::kLong);
  model.run(pass);
  double best = INFINITY, sum = 0;
  for (int i = 0; i < tokens; ++i) {
    pass = decode_step(model, pass, pass.logits().argmax(-1));
    const auto time = time_of([&] { model.run(pass); });
    best = std::min(best, time.wall);
    sum += time.wall;
  }
  const double bytes = bytes_a_token(model);
  fmt::print(
      "{:<34}{:>9.3f} s (mean {:.3f}) {:>9.2f} GiB {:>9.1f} GB/s {:>5.0f} % of the bandwidth\n",
      "generated token", best, sum / tokens, gib(bytes), bytes / best / 1e9,
      100 * bytes / best / bandwidth);
  std::fflush(stdout);
}

void edit(const Vlm& vlm, EditorSpec spec, int steps, double weights, const EditRequest& request) {
  spec.settings["stop_loss"] = 0;
  spec.settings["end_of_answer"] = false;
  ActivationStore store{ActivationStore::Options()};
  EditContext context;
  context.store = &store;
  const auto run = [&](int count) {
    spec.settings["steps"] = count;
    return time_of([&] { make_editor(spec.name, spec.settings)->edit(vlm, {request}, context); });
  };
  std::ofstream("/proc/self/clear_refs") << 5;  // resets the peak, so that it is that of the edit
  const auto first = run(1), more = run(1 + steps);
  const double peak = static_cast<double>(peak_resident_bytes());
  const auto again = run(1);
  fmt::print(
      "{:<34}{:>9.3f} s per step, {:.2f} s before it with encoding the picture, {:.2f} s without; "
      "memory {:.2f} GiB, {:.0f} % of the weights\n",
      "edit by " + spec.label, (more.wall - again.wall) / steps, first.wall, again.wall, gib(peak),
      100 * peak / weights);
  std::fflush(stdout);
}

int run(int argc, char** argv) {
  CLI::App app("Measures what a model folder of real size costs on this machine.");
  std::string folder, dtype = "auto", editors = "ft:language";
  int threads = 0, tokens = 16, steps = 5;
  app.add_option("-m,--model", folder, "model folder")->required();
  app.add_option("--dtype", dtype)
      ->check(CLI::IsMember({"auto", "fp32", "bf16"}))
      ->capture_default_str();
  app.add_option("--editors", editors)->capture_default_str();
  app.add_option("--steps", steps, "optimization steps of an edit")->capture_default_str();
  app.add_option("--tokens", tokens, "tokens of an answer")->capture_default_str();
  app.add_option("-t,--threads", threads, "number of threads; 0: all cores")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  threads = set_threads(threads);
  LoadOptions options;
  options.dtype = named_dtype(dtype);
  Vlm vlm;
  const auto opening = time_of([&] { vlm = load_vlm(folder, options); });
  const auto& model = *vlm.model;
  double weights = 0;
  for (const auto& [name, tensor] : model.parameters())
    weights += static_cast<double>(tensor.nbytes());
  fmt::print("{}, {} from weights in {}, {} threads, LibTorch {}: weights {:.2f} GiB\n", folder,
             dtype_name(vlm.precision.compute), dtype_name(vlm.precision.weights), threads,
             TORCH_VERSION, gib(weights));
  fmt::print("{:<34}{:>9.3f} s, {:.2f} GiB of memory used\n", "opened in", opening.wall,
             gib(static_cast<double>(resident_bytes())));

  const auto record = sample_record(vlm.processor.image_processor.width);
  const auto request = request_of(record, sample_protocol());
  const auto encode = [&](Pass& pass, size_t last) {
    at::NoGradGuard no_grad;
    model.run(pass, last);
  };
  const auto batch = request_batch(vlm, {{request.image.load(), request.prompt}}, {});
  const auto language = model.first_stage(Module::language);
  auto pass = model.collate(batch, PadSide::left);
  const auto touching = time_of([&] {
    auto once = pass;
    encode(once, language - 1);
  });

  const double peak = gemm_peak(model.dtype()), bandwidth = memory_bandwidth();
  fmt::print("{:<34}{:>9.0f} GFLOP per CPU second; reads memory at {:.1f} GB/s\n", "this machine",
             peak / 1e9, bandwidth / 1e9);
  fmt::print("{:<34}{:>9.3f} s\n", "first picture, loads the weights", touching.wall);
  say_work("a picture", peak, [&] {
    auto once = pass;
    encode(once, language - 1);
  });
  encode(pass, language - 1);
  say_work(fmt::format("a prompt of {} positions", pass.ids.size(1)), peak, [&] {
    auto once = pass;
    once.logit_positions = at::full({1}, once.ids.numel() - 1, at::kLong);
    encode(once, model.stages().size() - 1);
  });
  decode(vlm, pass, tokens, bandwidth);
  for (const auto& spec : parse_editors(editors)) edit(vlm, spec, steps, weights, request);
  return 0;
}

}  // namespace
}  // namespace emend::bench

int main(int argc, char** argv) {
  return emend::bench::run_benchmark(emend::bench::run, argc, argv);
}
