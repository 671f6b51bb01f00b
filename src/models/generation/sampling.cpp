#include "models/generation/sampling.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "io/error.h"

namespace emend {
void refuse_nan_logits(std::string_view place) {
  throw Error(place, "the logits of the model are not numbers (NaN)",
              "a weight is not finite: remove the last patch, edit with a lower learning rate, or "
              "download the model again if `emend inspect FOLDER` lists such weights");
}

std::vector<int64_t> choose_greedy(const at::Tensor& logits) {
  const int64_t width = logits.size(1);
  const auto best = logits.amax(1, /*keepdim=*/true);
  const auto ids = at::arange(width, logits.options().dtype(at::kLong));
  const auto lowest = at::where(logits == best, ids, at::full_like(ids, width)).amin(1);
  const auto chosen = lowest.to(at::kCPU).contiguous();
  const auto* data = chosen.data_ptr<int64_t>();
  if (std::find(data, data + chosen.numel(), width) != data + chosen.numel())
    refuse_nan_logits("models::generate");
  return {data, data + chosen.numel()};
}

int64_t choose_sampled(const at::Tensor& logits, double temperature, double top_p,
                       std::mt19937_64& random) {
  const auto wide = logits.to(at::kCPU, at::kDouble).contiguous();
  const auto* logit = wide.data_ptr<double>();
  const int64_t width = wide.numel();
  const double best = *std::max_element(logit, logit + width);
  std::vector<double> p(width);
  double total = 0;
  for (int64_t i = 0; i < width; ++i) total += p[i] = std::exp((logit[i] - best) / temperature);
  if (!std::isfinite(total) || total <= 0) refuse_nan_logits("models::generate");

  std::vector<int64_t> order(width);
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return p[a] > p[b]; });
  size_t kept = 0;
  double mass = 0;
  while (kept < order.size() && (kept == 0 || mass < top_p * total)) mass += p[order[kept++]];

  // 53 random bits, because distributions of the standard library differ between implementations.
  double draw = static_cast<double>(random() >> 11) * 0x1p-53 * mass;
  for (size_t i = 0; i < kept; ++i) {
    draw -= p[order[i]];
    if (draw < 0) return order[i];
  }
  return order[kept - 1];
}

}  // namespace emend
