#pragma once

#include <ATen/ATen.h>

namespace emend {

// Mean and standard deviation of each column of rows (n, d), by which UltraEdit normalizes [arXiv
// 2505.14679]. `prior_rows` further rows have the mean 0 and the mean square of the rows, so that
// few rows keep their sign and their scale; 0: as published. float64.
struct ColumnStatistics {
  at::Tensor mean;       // (d)
  at::Tensor deviation;  // (d), 0 for columns that do not vary

  static ColumnStatistics of(const at::Tensor& rows, double prior_rows);
  // (n, d) -> (n, d) float64. Columns that do not vary become 0.
  at::Tensor normalized(const at::Tensor& rows) const;
};

}  // namespace emend
