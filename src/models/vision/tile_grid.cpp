#include "models/vision/tile_grid.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace emend {
namespace {

// int(round(x, 7)) of Python, for positive numbers.
int64_t rounded_down(double x) { return static_cast<int64_t>(std::nearbyint(x * 1e7) / 1e7); }

at::Tensor nowhere(at::IntArrayRef shape) {
  return at::full(shape, std::numeric_limits<double>::quiet_NaN(), at::kDouble);
}

// The centers of `count` cells as shares of the picture, which `shown` cells show, from `first` on.
at::Tensor shares(int64_t count, double first, double shown) {
  const auto share = (at::arange(count, at::kDouble) + 0.5 - first) / shown;
  return at::where(share.gt(0).logical_and(share.lt(1)), share, nowhere({1}));
}

// (rows, columns, 2): the places of the cells of a grid. A place outside of the picture in one
// direction is nowhere.
at::Tensor places(const at::Tensor& high, const at::Tensor& wide) {
  const auto rows = high.size(0), columns = wide.size(0);
  const auto grid = at::stack(
      {high.unsqueeze(1).expand({rows, columns}), wide.unsqueeze(0).expand({rows, columns})}, -1);
  return grid.masked_fill(grid.isnan().any(-1, /*keepdim=*/true),
                          std::numeric_limits<double>::quiet_NaN());
}

// The places of a grid over the whole picture.
at::Tensor centers(int64_t rows, int64_t columns) {
  return places(shares(rows, 0, static_cast<double>(rows)),
                shares(columns, 0, static_cast<double>(columns)));
}

}  // namespace

TileGrid TileGrid::of(int64_t height, int64_t width, const GridPinpoints& pinpoints, int64_t tile,
                      int64_t side, int64_t most_tiles) {
  const auto resolution = best_resolution(height, width, pinpoints);
  return {resolution[0] / tile, resolution[1] / tile, side, height, width, most_tiles};
}

TileGrid TileGrid::undivided(int64_t height, int64_t width, int64_t side) {
  return {0, 0, side, height, width, 0};
}

// transformers' unpad_image.
TileGrid::Part TileGrid::unpadded() const {
  const auto high = rows * side, wide = columns * side;
  const double h = static_cast<double>(height), w = static_cast<double>(width);
  if (w / h > static_cast<double>(wide) / static_cast<double>(high)) {
    const auto kept = rounded_down(h * (static_cast<double>(wide) / w));
    const auto padding = (high - kept) / 2;
    return {padding, high - 2 * padding, 0, wide};
  }
  const auto kept = rounded_down(w * (static_cast<double>(high) / h));
  const auto padding = (wide - kept) / 2;
  return {0, high, padding, wide - 2 * padding};
}

TileGrid::Part TileGrid::reduced(const Part& part) const {
  if (most_tiles == 0) return part;
  const double high = static_cast<double>(part.rows), wide = static_cast<double>(part.columns);
  const double ratio = std::sqrt(high * wide / static_cast<double>(most_tiles * side * side));
  if (!(ratio > 1.1)) return part;
  return {0, static_cast<int64_t>(std::floor(high / ratio)), 0,
          static_cast<int64_t>(std::floor(wide / ratio))};
}

int64_t TileGrid::tokens() const {
  if (tiles() == 0) return side * side + 1;
  const auto part = reduced(unpadded());
  return side * side + part.rows * (part.columns + 1);
}

at::Tensor TileGrid::pack(const at::Tensor& features, const at::Tensor& newline) const {
  const auto width = features.size(-1);
  if (tiles() == 0) return at::cat({features[0], newline.to(features.scalar_type()).unsqueeze(0)});
  const auto part = unpadded(), wanted = reduced(part);
  auto grid = features.slice(0, 1)
                  .reshape({rows, columns, side, side, width})
                  .transpose(1, 2)
                  .reshape({rows * side, columns * side, width})
                  .narrow(0, part.first_row, part.rows)
                  .narrow(1, part.first_column, part.columns);
  if (wanted.rows != part.rows || wanted.columns != part.columns)
    grid = at::upsample_bilinear2d(grid.permute({2, 0, 1}).unsqueeze(0).to(at::kFloat),
                                   {wanted.rows, wanted.columns}, /*align_corners=*/false)
               .squeeze(0)
               .permute({1, 2, 0})
               .to(features.scalar_type());
  const auto ends = newline.to(grid.scalar_type()).expand({grid.size(0), 1, width});
  return at::cat({features[0], at::cat({grid, ends}, 1).flatten(0, 1)});
}

// The whole picture is resized to a square, and padded before if it is not divided.
at::Tensor TileGrid::whole_places() const {
  const auto longest = static_cast<double>(std::max(height, width));
  const auto along = [&](int64_t length) {
    const auto shown = tiles() == 0 ? static_cast<double>(length) / longest : 1;
    const auto cells = static_cast<double>(side);
    return shares(side, cells * (1 - shown) / 2, cells * shown);
  };
  return places(along(height), along(width)).flatten(0, 1);
}

at::Tensor TileGrid::token_places() const {
  if (tiles() == 0) return at::cat({whole_places(), nowhere({1, 2})});
  const auto part = reduced(unpadded());
  const auto grid = centers(part.rows, part.columns);
  const auto lines = at::cat({grid, nowhere({part.rows, 1, 2})}, 1).flatten(0, 1);
  return at::cat({whole_places(), lines});
}

at::Tensor TileGrid::feature_places(int64_t skipped) const {
  auto all = whole_places().unsqueeze(0);
  if (tiles() > 0) {
    const auto part = unpadded();
    const auto along = [](int64_t count, int64_t first, int64_t shown) {
      return shares(count, static_cast<double>(first), static_cast<double>(shown));
    };
    const auto grid = places(along(rows * side, part.first_row, part.rows),
                             along(columns * side, part.first_column, part.columns));
    const auto tiles = grid.view({rows, side, columns, side, 2})
                           .transpose(1, 2)
                           .reshape({rows * columns, side * side, 2});
    all = at::cat({all, tiles});
  }
  return at::cat({nowhere({all.size(0), skipped, 2}), all}, 1).flatten(0, 1);
}

}  // namespace emend
