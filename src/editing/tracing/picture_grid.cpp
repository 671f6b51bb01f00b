#include "editing/tracing/picture_grid.h"

#include <algorithm>
#include <cmath>

namespace emend {
namespace {

int64_t square_side(int64_t tokens) {
  const auto side = std::llround(std::sqrt(static_cast<double>(std::max<int64_t>(tokens, 0))));
  return side * side == tokens ? side : 0;
}

}  // namespace

PictureGrid::PictureGrid(int64_t parts, int64_t tokens, int tile_rows, int tile_columns)
    : tokens_(tokens), tile_rows_(tile_rows), tile_columns_(tile_columns) {
  side_ = square_side(tokens);
  if (side_ == 0 && (side_ = square_side(tokens - 1)) > 0) skipped_ = 1;
  if (side_ > 0) parts_ = parts;
}

PictureGrid PictureGrid::of(int64_t parts, const Model& model, const Tiles& picture,
                            int64_t tokens) {
  PictureGrid grid(parts, tokens, picture.rows, picture.columns);
  if (const auto places = model.places(picture.pixels[0], tokens); places.defined()) {
    grid.places_ = places.contiguous();
    grid.parts_ = parts;
  }
  return grid;
}

std::optional<std::pair<int64_t, int64_t>> PictureGrid::cell(int64_t token) const {
  if (parts_ == 0 || token < 0) return std::nullopt;
  if (places_.defined()) {
    const auto* center = places_.data_ptr<double>() + 2 * (token % tokens_);
    if (std::isnan(center[0])) return std::nullopt;
    const auto part = [&](double share) {
      return std::min(parts_ - 1, static_cast<int64_t>(share * static_cast<double>(parts_)));
    };
    return std::pair(part(center[0]), part(center[1]));
  }
  const auto tile = token / tokens_, within = token % tokens_ - skipped_;
  if (within < 0) return std::nullopt;
  const bool whole = tile >= int64_t{tile_rows_} * tile_columns_;
  const auto part = [&](int64_t index, int64_t at, int64_t count) {
    // The center of the token, as a share of the picture's side.
    const auto center = (static_cast<double>(at) + 0.5) / static_cast<double>(side_);
    const auto share =
        whole ? center : (static_cast<double>(index) + center) / static_cast<double>(count);
    return std::min(parts_ - 1, static_cast<int64_t>(share * static_cast<double>(parts_)));
  };
  const int64_t columns = std::max(tile_columns_, 1);
  return std::pair(part(tile / columns, within / side_, tile_rows_),
                   part(tile % columns, within % side_, tile_columns_));
}

bool has_image_token_places(const Model& model) {
  const auto& stages = model.stages();
  const auto connector = model.first_stage(Module::connector);
  return model.reads_pictures() && connector < stages.size() &&
         stages[connector].name != "connector.embed";
}

}  // namespace emend
