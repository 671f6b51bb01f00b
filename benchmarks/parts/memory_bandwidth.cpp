#include "memory_bandwidth.h"

#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <vector>

namespace emend::bench {
namespace {

constexpr int64_t kLine = 8;  // numbers in a cache line
constexpr int64_t kStreams =
    8;  // prefetched streams that are read in parallel; a single one is slower

#if defined(__x86_64__)
__attribute__((target_clones("arch=skylake-avx512", "arch=haswell", "default")))
#endif
int64_t
sum_streams(const int64_t* array, int64_t size) {
  int64_t sums[kStreams][kLine] = {};
  const int64_t each = size / kStreams;
  for (int64_t i = 0; i < each; i += kLine)
    for (int64_t stream = 0; stream < kStreams; ++stream) {
      const int64_t* line = array + stream * each + i;
      __builtin_prefetch(line + 8 * kLine);
      for (int64_t lane = 0; lane < kLine; ++lane) sums[stream][lane] += line[lane];
    }
  int64_t sum = 0;
  for (const auto& stream : sums)
    for (auto lane : stream) sum += lane;
  return sum;
}

}  // namespace

double memory_bandwidth() {
  constexpr int64_t kNumbers = int64_t{1} << 28;  // 2 GiB
  constexpr int64_t kBlock = int64_t{1} << 15;
  const std::vector<int64_t> array(kNumbers, 1);
  double best = 0;
  for (int i = 0; i < 5; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    at::parallel_for(0, kNumbers / kBlock, 1, [&](int64_t first, int64_t last) {
      for (int64_t block = first; block < last; ++block) {
        auto sum = sum_streams(array.data() + block * kBlock, kBlock);
        benchmark::DoNotOptimize(sum);
      }
    });
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    best = std::max(best, kNumbers * sizeof(int64_t) / took.count());
  }
  return best;
}

}  // namespace emend::bench
