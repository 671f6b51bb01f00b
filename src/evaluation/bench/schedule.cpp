#include "evaluation/bench/schedule.h"

#include <algorithm>
#include <numeric>
#include <random>

namespace emend {

std::vector<size_t> judge_points(std::vector<size_t> at, size_t total, size_t batch_size) {
  for (auto& edits : at)
    if (edits < total) edits = (edits + batch_size - 1) / batch_size * batch_size;
  std::erase_if(at, [&](size_t edits) { return edits == 0 || edits >= total; });
  if (total > 0) at.push_back(total);
  std::sort(at.begin(), at.end());
  at.erase(std::unique(at.begin(), at.end()), at.end());
  return at;
}

std::vector<size_t> reevaluated_edits(uint64_t seed, size_t edits, size_t size) {
  std::vector<size_t> chosen(edits);
  std::iota(chosen.begin(), chosen.end(), size_t{0});
  if (size < edits) {
    // Distributions of the standard library differ between machines. The bias of the remainder is
    // below 2^-40 here.
    std::mt19937_64 random(seed * 0x9e3779b97f4a7c15u + edits);
    for (size_t i = 0; i < size; ++i) std::swap(chosen[i], chosen[i + random() % (edits - i)]);
    chosen.resize(size);
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace emend
