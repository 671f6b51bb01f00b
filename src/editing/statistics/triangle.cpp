#include "editing/statistics/triangle.h"

#include <algorithm>

namespace emend {

at::Tensor pack_triangle(const at::Tensor& matrix, double scale) {
  const int64_t d = matrix.size(0);
  auto triangle = at::empty({triangle_size(d)}, at::kFloat);
  const auto* from = matrix.data_ptr<double>();
  auto* to = triangle.data_ptr<float>();
  for (int64_t i = 0; i < d; ++i)
    for (int64_t j = i; j < d; ++j) *to++ = static_cast<float>(from[i * d + j] * scale);
  return triangle;
}

at::Tensor unpack_triangle(const at::Tensor& triangle, int64_t d) {
  auto matrix = at::empty({d, d}, at::kFloat);
  const auto flat = triangle.contiguous();
  const auto* from = flat.data_ptr<float>();
  auto* to = matrix.data_ptr<float>();
  for (int64_t i = 0; i < d; ++i) {
    std::copy_n(from, d - i, to + i * d + i);
    from += d - i;
  }
  // Tiles, because a whole column does not fit into the cache.
  constexpr int64_t kTile = 64;
  for (int64_t r = 0; r < d; r += kTile)
    for (int64_t c = 0; c <= r; c += kTile)
      for (int64_t i = r; i < std::min(r + kTile, d); ++i)
        for (int64_t j = c; j < std::min(c + kTile, i); ++j) to[i * d + j] = to[j * d + i];
  return matrix;
}

}  // namespace emend
