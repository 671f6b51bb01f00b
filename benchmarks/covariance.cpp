// Measures the solve of one closed-form edit, (lambda C + K K^T)^-1 K in float64: with a new
// factorization for each edit, and with the Cholesky factor that is kept and the Woodbury identity.
// The arguments of a benchmark are d and the number of keys. `factor` is what is done once for each
// site.
#include "editing/statistics/covariance.h"

#include <benchmark/benchmark.h>

#include <memory>

#include "io/runtime.h"

namespace emend {
namespace {

constexpr double kLambda = 15000;

// Moments of random inputs with dimensions of different scales.
const SiteMoments& random_moments(int64_t d) {
  static SiteMoments moments;
  if (moments.dimension() == d) return moments;
  at::manual_seed(1);
  const auto x = at::randn({d / 2, d}) * at::logspace(-1, 1, d);
  moments = {"site", {2 * d, x.t().matmul(x) / static_cast<double>(d / 2)}, {}, 0, {}};
  return moments;
}

const Covariance& kept_covariance(int64_t d) {
  static int64_t size = 0;
  static std::unique_ptr<Covariance> covariance;
  if (size != d) {
    covariance.reset();
    covariance = std::make_unique<Covariance>(random_moments(d), 1, 0.01);
    size = d;
  }
  return *covariance;
}

at::Tensor random_keys(const benchmark::State& state) {
  at::manual_seed(2);
  return at::randn({state.range(0), state.range(1)}, at::kDouble);
}

void factor(benchmark::State& state) {
  const auto& moments = random_moments(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(Covariance(moments, 1, 0.01));
}

void new_factorization(benchmark::State& state) {
  const auto& covariance = kept_covariance(state.range(0));
  const auto keys = random_keys(state);
  for (auto _ : state) {
    auto matrix = covariance.matrix() * kLambda;
    matrix.addmm_(keys, keys.t());
    benchmark::DoNotOptimize(at::cholesky_solve(keys, at::linalg_cholesky(matrix)));
  }
}

void kept_factor(benchmark::State& state) {
  const auto& covariance = kept_covariance(state.range(0));
  const auto keys = random_keys(state);
  for (auto _ : state) benchmark::DoNotOptimize(covariance.solve_update(keys, kLambda));
}

// All benchmarks of one size follow each other, so that only one covariance is in memory.
void register_size(int64_t d) {
  const auto add = [d](const char* name, void (*run)(benchmark::State&),
                       const std::vector<int64_t>& keys) {
    for (auto n : keys)
      benchmark::RegisterBenchmark(name, run)
          ->Args({d, n})
          ->Unit(benchmark::kMillisecond)
          ->MeasureProcessCPUTime()
          ->UseRealTime();
  };
  add("new_factorization", new_factorization, {1, 50});
  add("kept_factor", kept_factor, {1, 50});
  add("factor", factor, {0});
}

}  // namespace
}  // namespace emend

int main(int argc, char** argv) {
  emend::restart_with_runtime_settings(argv);
  emend::set_threads();
  for (int64_t d : {1536, 8192, 10240}) emend::register_size(d);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
