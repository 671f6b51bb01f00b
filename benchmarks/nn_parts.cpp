// Measures the parts of a vision block relative to the fastest matrix multiplication, and their
// speed relative to the plainest implementation, all in one run.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "gemm_peak.h"
#include "io/cpu.h"
#include "io/runtime.h"
#include "memory_bandwidth.h"
#include "models/vision/eva_vit.h"
#include "nn/activation.h"
#include "nn/attention.h"
#include "nn/linear/mixed_linear.h"
#include "nn/linear/small_batch_linear.h"

namespace emend::bench {
namespace {

// The shape of EVA-ViT-g.
constexpr int64_t kWidth = 1408, kInner = 6144, kHeads = 16;

template <class Work>
double best_of(int times, const Work& work) {
  double best = INFINITY;
  for (int i = 0; i < times; ++i) {
    const double begin = processor_seconds();
    benchmark::DoNotOptimize(work());
    best = std::min(best, processor_seconds() - begin);
  }
  return best;
}

at::ScalarType dtype_of(const benchmark::State& state) {
  return state.range(1) == 16 ? at::kBFloat16 : at::kFloat;
}

// Runs `ours`, and reports its speed relative to `plain` and, if it multiplies matrices, to the
// peak.
template <class Ours, class Plain>
void compare(benchmark::State& state, const Ours& ours, const Plain& plain, double operations) {
  at::NoGradGuard no_grad;
  for (auto _ : state) benchmark::DoNotOptimize(ours());
  const double own = best_of(5, ours);
  state.counters["times_plain"] = best_of(5, plain) / own;
  if (operations > 0) state.counters["of_peak"] = operations / own / gemm_peak(dtype_of(state));
}

void norm(benchmark::State& state) {
  const auto dtype = dtype_of(state);
  const auto x = at::randn({1, state.range(0), kWidth}).to(dtype);
  const LayerNorm ours{at::ones({kWidth}, dtype), at::zeros({kWidth}, dtype), kWidth, 1e-6};
  compare(
      state, [&] { return ours(x); },
      [&] { return at::layer_norm(x, {kWidth}, ours.weight, ours.bias, ours.eps); }, 0);
}

at::Tensor plain_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           double scale) {
  const auto scores = at::matmul(q * scale, k.transpose(-1, -2));
  return at::matmul(at::softmax(scores, -1, at::kFloat).to(q.scalar_type()), v);
}

void attend(benchmark::State& state) {
  const int64_t length = state.range(0), depth = kWidth / kHeads;
  const auto q = at::randn({1, kHeads, length, depth}).to(dtype_of(state));
  const double scale = 1 / std::sqrt(static_cast<double>(depth));
  compare(
      state, [&] { return attention(q, q, q, {}, scale); },
      [&] { return plain_attention(q, q, q, scale); }, 4.0 * length * length * kWidth);
}

void block(benchmark::State& state) {
  const int64_t length = state.range(0);
  const auto dtype = dtype_of(state);
  Blip2VisionConfig config;
  config.layers = 1;
  std::map<std::string, at::Tensor> parameters;
  std::vector<Site> sites;
  std::vector<at::Tensor> site_weights;
  Weights weights(
      [](const std::string&, at::IntArrayRef shape) { return at::randn(shape).mul_(0.02); }, dtype);
  const EvaVit vision(config, {weights, parameters, sites, site_weights});
  const auto x = at::randn({1, length, kWidth}).to(dtype);

  const auto get = [&](const char* name) {
    return parameters.at(std::string("vision_model.encoder.layers.0.") + name);
  };
  const auto layer = [&](const at::Tensor& in, const std::string& name) {
    return at::linear(in, get((name + ".weight").c_str()), get((name + ".bias").c_str()));
  };
  const auto normed = [&](const at::Tensor& in, const std::string& name) {
    return at::layer_norm(in, {kWidth}, get((name + ".weight").c_str()),
                          get((name + ".bias").c_str()), config.eps);
  };
  const auto plain = [&] {
    const auto qkv = layer(normed(x, "layer_norm1"), "self_attn.qkv")
                         .reshape({1, length, 3, kHeads, kWidth / kHeads})
                         .permute({2, 0, 3, 1, 4});
    const auto mixed = plain_attention(qkv.select(0, 0), qkv.select(0, 1), qkv.select(0, 2),
                                       1 / std::sqrt(static_cast<double>(kWidth) / kHeads));
    const auto h = layer(mixed.transpose(1, 2).flatten(2), "self_attn.projection") + x;
    return layer(at::gelu(layer(normed(h, "layer_norm2"), "mlp.fc1")), "mlp.fc2") + h;
  };
  compare(
      state, [&] { return vision.block(0, x, {}); }, plain,
      2.0 * length * kWidth * (4 * kWidth + 2 * kInner) + 4.0 * length * length * kWidth);
}

// Rows of one token each with weights that are in memory, not in a cache: the cost of generating
// token by token.
void small_batch(benchmark::State& state) {
  const int64_t rows = state.range(0), in = 2560, out = 10240;
  std::vector<at::Tensor> layers;
  for (int i = 0; i < 32; ++i) layers.push_back(at::randn({out, in}).to(at::kBFloat16));
  // The dtype in which models are computed on this machine.
  const auto dtype = bf16_is_fast() ? at::kBFloat16 : at::kFloat;
  const auto x = at::randn({rows, 1, in}).to(dtype);
  at::NoGradGuard no_grad;
  const auto through = [&](auto&& linear) {
    const auto begin = std::chrono::steady_clock::now();
    for (const auto& weight : layers) benchmark::DoNotOptimize(linear(x, weight, at::Tensor()));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    return took.count();
  };
  const auto own = [&] { return through(small_batch_linear); };
  for (auto _ : state) own();
  double ours = INFINITY, plain = INFINITY;
  for (int i = 0; i < 9; ++i) {
    ours = std::min(ours, own());
    plain = std::min(plain, through([&](const auto& x, const auto& weight, const auto& bias) {
                       return at::linear(x, weight.to(dtype), bias);
                     }));
  }
  const double bytes = 2.0 * in * out * static_cast<double>(layers.size());
  state.counters["times_plain"] = plain / ours;
  state.counters["GB/s"] = bytes / ours / 1e9;
  state.counters["of_bandwidth"] = bytes / ours / memory_bandwidth();
}

// A 16-bit weight relative to the same weight in float32: the cost of upcasting it on the fly.
void mixed(benchmark::State& state) {
  const auto dtype = state.range(1) ? at::kHalf : at::kBFloat16;
  const auto x = at::randn({state.range(0), kWidth}),
             weight = at::randn({kInner, kWidth}).to(dtype);
  const auto wide = weight.to(at::kFloat);
  at::NoGradGuard no_grad;
  for (auto _ : state) benchmark::DoNotOptimize(mixed_linear(x, weight, {}));
  const double ours = best_of(20, [&] { return mixed_linear(x, weight, {}); });
  const double plain = best_of(20, [&] { return at::linear(x, wide, {}); });
  state.counters["of_fp32_speed"] = plain / ours;
}

// The activations of SigLIP (GELU by tanh) and Llama (SiLU), for the number of elements of a SigLIP
// layer.
void gate(benchmark::State& state) {
  const auto activation = state.range(0) ? Activation::gelu_tanh : Activation::silu;
  const auto x = at::randn({1024, 3072}).to(at::kBFloat16);
  at::NoGradGuard no_grad;
  for (auto _ : state) benchmark::DoNotOptimize(activate(x, activation));
  const double ours = best_of(20, [&] { return activate(x, activation); });
  const double plain =
      best_of(20, [&] { return state.range(0) ? at::gelu(x, "tanh") : at::silu(x); });
  state.counters["times_plain"] = plain / ours;
}

// Tokens of a picture of 224 and 364 pixels; bits of the dtype.
void shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"tokens", "bits"})
      ->ArgsProduct({{257, 677}, {16, 32}})
      ->MeasureProcessCPUTime()
      ->Unit(benchmark::kMillisecond);
}

BENCHMARK(norm)->Apply(shapes);
BENCHMARK(attend)->Apply(shapes);
BENCHMARK(block)->Apply(shapes);
BENCHMARK(gate)->ArgName("gelu_tanh")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);
BENCHMARK(mixed)
    ->ArgNames({"rows", "half"})
    ->ArgsProduct({{8, 32, 257, 677}, {0, 1}})
    ->Unit(benchmark::kMillisecond);
BENCHMARK(small_batch)->ArgName("rows")->Arg(1)->Arg(2)->Arg(4)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace emend::bench

int main(int argc, char** argv) {
  emend::restart_with_runtime_settings(argv);
  emend::set_threads();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
