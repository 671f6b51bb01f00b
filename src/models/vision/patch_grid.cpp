#include "models/vision/patch_grid.h"

#include <algorithm>

namespace emend {
namespace {

// Calls `visit(first row, first column, rows, columns)` for each window of squares.
template <class Visit>
void for_windows(const PatchGrid& grid, Visit visit) {
  const auto side = grid.window > 0 ? grid.window : std::max(grid.rows, grid.columns);
  for (int64_t row = 0; row < grid.square_rows(); row += side)
    for (int64_t column = 0; column < grid.square_columns(); column += side)
      visit(row, column, std::min(side, grid.square_rows() - row),
            std::min(side, grid.square_columns() - column));
}

}  // namespace

std::vector<int64_t> PatchGrid::order() const {
  std::vector<int64_t> order;
  for_windows(*this, [&](int64_t row, int64_t column, int64_t height, int64_t width) {
    for (int64_t r = row; r < row + height; ++r)
      for (int64_t c = column; c < column + width; ++c) order.push_back(r * square_columns() + c);
  });
  return order;
}

std::vector<int64_t> PatchGrid::window_patches() const {
  std::vector<int64_t> counts;
  for_windows(*this, [&](int64_t, int64_t, int64_t height, int64_t width) {
    counts.push_back(height * width * merge * merge);
  });
  return counts;
}

at::Tensor PatchGrid::positions() const {
  std::vector<int64_t> positions;
  for (auto square : order())
    for (int64_t r = 0; r < merge; ++r)
      for (int64_t c = 0; c < merge; ++c) {
        positions.push_back(square / square_columns() * merge + r);
        positions.push_back(square % square_columns() * merge + c);
      }
  return at::tensor(positions, at::kLong).view({-1, 2});
}

at::Tensor PatchGrid::patchify(const at::Tensor& picture, int64_t patch, int64_t frames) const {
  auto squares = picture.reshape({3, square_rows(), merge, patch, square_columns(), merge, patch})
                     .permute({1, 4, 2, 5, 0, 3, 6})
                     .reshape({this->squares(), merge * merge, 3, 1, patch, patch});
  if (window > 0)
    squares = squares.index_select(0, at::tensor(order(), at::kLong).to(picture.device()));
  return squares.expand({-1, -1, -1, frames, -1, -1}).reshape({patches(), -1});
}

}  // namespace emend
