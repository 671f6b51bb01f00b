#include "editing/editors/lifelong/column_statistics.h"

#include <limits>

namespace emend {

ColumnStatistics ColumnStatistics::of(const at::Tensor& rows, double prior_rows) {
  const auto x = rows.to(at::kDouble);
  const auto own = static_cast<double>(x.size(0)), all = own + prior_rows;
  const auto own_mean = x.mean(0);
  ColumnStatistics statistics;
  statistics.mean = own_mean * (own / all);
  // The mean square of all rows minus the square of their mean, without cancellation.
  const auto variance =
      (x - own_mean).square().mean(0) + (own_mean - statistics.mean) * (own_mean + statistics.mean);
  // A single row has the variance 0 instead of 0 / 0.
  const auto degrees = all - 1 + std::numeric_limits<float>::epsilon();
  statistics.deviation = (variance * (all / degrees)).sqrt();
  return statistics;
}

at::Tensor ColumnStatistics::normalized(const at::Tensor& rows) const {
  const auto scale = at::where(deviation > 0, deviation.reciprocal(), at::zeros_like(deviation));
  return (rows.to(at::kDouble) - mean) * scale;
}

}  // namespace emend
