#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "io/image/sizes/anyres.h"

namespace emend {

// How the features of a picture's tiles become image tokens in LLaVA-NeXT and LLaVA-OneVision:
// those of the whole picture, then those of the tiles as one grid without the rows or columns of
// padding, with an embedding at the end of each row. The grid is reduced if it has many tiles
// (OneVision). A picture that is not divided into tiles has one embedding after its features.
struct TileGrid {
  int64_t rows = 1, columns = 1;  // of tiles; 0: not divided
  int64_t side = 1;               // features along the side of a tile
  int64_t height = 1, width = 1;  // of the original picture
  int64_t most_tiles = 0;         // of `anyres_max_N`; 0: the grid is not reduced

  // The grid of a picture. `tile`: the side of a tile in pixels.
  static TileGrid of(int64_t height, int64_t width, const GridPinpoints& pinpoints, int64_t tile,
                     int64_t side, int64_t most_tiles);
  // That of a picture that is not divided, but padded to a square.
  static TileGrid undivided(int64_t height, int64_t width, int64_t side);

  int64_t tiles() const { return rows * columns; }
  int64_t tokens() const;
  // (1 + tiles, side^2, H) of the whole and the tiles, newline (H) -> (tokens, H)
  at::Tensor pack(const at::Tensor& features, const at::Tensor& newline) const;
  // The places of the image tokens, as in Model::places: (tokens, 2).
  at::Tensor token_places() const;
  // The places of the positions of the whole and the tiles, each with `skipped` positions before
  // its features: ((1 + tiles) * (skipped + side^2), 2).
  at::Tensor feature_places(int64_t skipped) const;

 private:
  struct Part {
    int64_t first_row, rows, first_column, columns;
  };
  Part unpadded() const;            // the part of the grid that shows the picture
  at::Tensor whole_places() const;  // the places of the features of the whole picture (side^2, 2)
  // The size to which the unpadded grid is reduced; equal to it if it is not.
  Part reduced(const Part& part) const;
};

}  // namespace emend
