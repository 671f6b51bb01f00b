#pragma once

#include <ATen/ATen.h>

namespace emend {

// A symmetric matrix as the rows of its upper triangle, which take half of the memory.

// The number of values of the triangle of a (d, d) matrix.
constexpr int64_t triangle_size(int64_t d) { return d * (d + 1) / 2; }

// The upper triangle of a (d, d) matrix, times `scale`: (d (d + 1) / 2) float32. What is below the
// diagonal is not read. `matrix`: float64, contiguous.
at::Tensor pack_triangle(const at::Tensor& matrix, double scale = 1);

// The whole matrix, (d, d) float32, from its upper triangle, float32.
at::Tensor unpack_triangle(const at::Tensor& triangle, int64_t d);

}  // namespace emend
