// Measures the search of the nearest of many keys: the time to index them, the time of a query with
// the index and without it, and the share of queries for which the index finds the nearest key.
#include "editing/editors/ledger/keys/key_index.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>

#include "run_benchmark.h"

namespace emend::bench {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

int run(int argc, char** argv) {
  CLI::App app("Measures the search of the nearest of many keys.");
  std::vector<int64_t> sizes = {10, 1000, 10000, 100000};
  int64_t width = 160, freedom = 24, queries = 200;
  app.add_option("sizes", sizes, "numbers of keys")->capture_default_str();
  app.add_option("--width", width, "values of a key")->capture_default_str();
  app.add_option("--freedom", freedom, "degrees of freedom of the keys")->capture_default_str();
  app.add_option("--queries", queries)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  at::set_num_threads(1);
  auto generator = at::make_generator<at::CPUGeneratorImpl>(1);
  const auto axes = at::randn({freedom, width}, generator);
  const auto asked = at::randn({queries, freedom}, generator).matmul(axes);
  fmt::print("{:>10} {:>12} {:>14} {:>14} {:>8}\n", "keys", "index, s", "query, us", "without, us",
             "found %");
  for (const auto size : sizes) {
    const auto keys = at::randn({size, freedom}, generator).matmul(axes);
    const KeyIndex all(keys, /*exact=*/size);
    auto begin = Clock::now();
    at::Tensor expected = at::empty({queries}, at::kLong);
    for (int64_t i = 0; i < queries; ++i)
      expected[i] = all.nearest(asked.slice(0, i, i + 1)).second[0];
    const auto without = since(begin);
    begin = Clock::now();
    const KeyIndex index(keys);
    const auto made = since(begin);
    begin = Clock::now();
    at::Tensor found = at::empty({queries}, at::kLong);
    for (int64_t i = 0; i < queries; ++i)
      found[i] = index.nearest(asked.slice(0, i, i + 1)).second[0];
    const auto with = since(begin);
    fmt::print("{:>10} {:>12.2f} {:>14.1f} {:>14.1f} {:>8.1f}\n", size, made,
               1e6 * with / static_cast<double>(queries),
               1e6 * without / static_cast<double>(queries),
               100.0 * (found == expected).to(at::kFloat).mean().item<double>());
  }
  return 0;
}

}  // namespace
}  // namespace emend::bench

int main(int argc, char** argv) {
  return emend::bench::run_benchmark(emend::bench::run, argc, argv);
}
