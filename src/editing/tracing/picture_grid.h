#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/image/processor.h"
#include "models/core/model.h"

namespace emend {

// Which part of a picture the tokens of a sequence show: a grid of `parts` x `parts` over the
// picture. The sequence is that of each tile, row by row, followed by the whole picture; each of
// them has `side` x `side` tokens, after `skipped` tokens that show no part (a class token).
class PictureGrid {
 public:
  PictureGrid() = default;
  // `tokens`: the number of tokens of a tile. Has no cells if they are no square, with or without a
  // class token.
  PictureGrid(int64_t parts, int64_t tokens, int tile_rows, int tile_columns);
  // The grid for the tokens of a picture, from the model's places if it has any.
  static PictureGrid of(int64_t parts, const Model& model, const Tiles& picture, int64_t tokens);

  bool empty() const { return parts_ == 0; }
  int64_t parts() const { return parts_; }
  // The row and column of a token; none if it shows no part.
  std::optional<std::pair<int64_t, int64_t>> cell(int64_t token) const;

 private:
  int64_t parts_ = 0, tokens_ = 0, side_ = 0, skipped_ = 0;
  at::Tensor places_;  // Model::places, or undefined
  int tile_rows_ = 0, tile_columns_ = 0;
};

// Whether each image token of the language module shows a part of the picture. The query tokens of
// a Q-Former do not.
bool has_image_token_places(const Model& model);

}  // namespace emend
