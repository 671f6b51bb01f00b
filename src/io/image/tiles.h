#pragma once

#include <vector>

#include "io/image/image.h"

namespace emend {

// Square tiles of one size, row by row, and the whole picture as large as one behind them.
struct CutImage {
  std::vector<Image> images;
  int rows = 0;  // of tiles; none: the whole only
  int columns = 0;
};

// As transformers' Idefics3 and SmolVLM processors cut: the longer side becomes `longest_edge` (0:
// it stays), the shorter one keeps the shape; then either side grows to a multiple of `tile`. What
// fits into one tile, and everything where `split` is false, is the whole only. Throws emend::Error
// for a picture without pixels, and for one that becomes too large.
CutImage cut_into_tiles(const Image& image, int longest_edge, int tile, bool split,
                        Resample filter);

}  // namespace emend
