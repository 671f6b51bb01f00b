#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

namespace emend {

// The patches of a picture in the order of Qwen's vision towers: the patches of a square of merge x
// merge follow each other, because they become one image token. Squares are in reading order, or,
// if there are windows, window by window.
struct PatchGrid {
  int64_t rows = 0, columns = 0;  // of patches
  int64_t merge = 1;              // the side of a square in patches
  int64_t window = 0;             // the side of a window in squares; 0: no windows

  bool operator==(const PatchGrid& other) const = default;
  int64_t patches() const { return rows * columns; }
  int64_t square_rows() const { return rows / merge; }
  int64_t square_columns() const { return columns / merge; }
  int64_t squares() const { return square_rows() * square_columns(); }
  // The reading-order index of each square, in the tower's order.
  std::vector<int64_t> order() const;
  // The number of patches in each window, in the tower's order.
  std::vector<int64_t> window_patches() const;
  // (P, 2) int64: row and column of each patch, in the tower's order.
  at::Tensor positions() const;
  // (3, H, W) -> (P, 3 * frames * patch * patch): each patch as `frames` equal frames, with the
  // channel as the slowest dimension.
  at::Tensor patchify(const at::Tensor& picture, int64_t patch, int64_t frames) const;
};

}  // namespace emend
