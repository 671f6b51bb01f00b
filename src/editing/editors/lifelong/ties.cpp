#include "editing/editors/lifelong/ties.h"

#include <algorithm>
#include <cmath>

namespace emend {
namespace {

at::Tensor trimmed_change(const at::Tensor& change, double density) {
  const auto size = change.numel();
  const auto kept = static_cast<int64_t>(std::llround(density * static_cast<double>(size)));
  if (kept >= size) return change;
  const auto flat = change.flatten();
  const auto largest = std::get<1>(flat.abs().topk(std::max<int64_t>(kept, 1)));
  return at::zeros_like(flat)
      .index_copy(0, largest, flat.index_select(0, largest))
      .view(change.sizes());
}

}  // namespace

at::Tensor ties_merge(const std::vector<at::Tensor>& changes, double density) {
  if (changes.size() == 1) return changes.front();
  std::vector<at::Tensor> trimmed;
  for (const auto& change : changes) trimmed.push_back(trimmed_change(change, density));
  const auto all = at::stack(trimmed);
  const auto sign = all.sum(0).sign();
  const auto agrees = (all.sign() == sign).logical_and(all != 0).to(all.scalar_type());
  return (all * agrees).sum(0) / agrees.sum(0).clamp_min(1);
}

}  // namespace emend
