#include "memory_bandwidth.h"

#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <vector>

namespace emend::bench {
namespace {

constexpr int64_t kLanes = 64;  // independent sums, so that adding never waits

#if defined(__x86_64__)
__attribute__((target_clones("arch=skylake-avx512", "arch=haswell", "default")))
#endif
int64_t
sum_lines(const int64_t* array, int64_t first, int64_t last) {
  int64_t sums[kLanes] = {};
  for (int64_t line = first; line < last; ++line) {
    for (int64_t ahead = 64; ahead < 128; ahead += 8)
      __builtin_prefetch(array + line * kLanes + ahead);
    for (int64_t lane = 0; lane < kLanes; ++lane) sums[lane] += array[line * kLanes + lane];
  }
  int64_t sum = 0;
  for (auto lane : sums) sum += lane;
  return sum;
}

}  // namespace

double memory_bandwidth() {
  constexpr int64_t kNumbers = int64_t{1} << 28;  // 2 GiB
  const std::vector<int64_t> array(kNumbers, 1);
  double best = 0;
  for (int i = 0; i < 5; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    at::parallel_for(0, kNumbers / kLanes, 1, [&](int64_t first, int64_t last) {
      auto sum = sum_lines(array.data(), first, last);
      benchmark::DoNotOptimize(sum);
    });
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    best = std::max(best, kNumbers * sizeof(int64_t) / took.count());
  }
  return best;
}

}  // namespace emend::bench
