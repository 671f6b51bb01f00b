#pragma once

#include <vector>

#include "io/image/image.h"

namespace emend {

// Square tiles of one size, row by row, followed by the whole picture in that size.
struct CutImage {
  std::vector<Image> images;
  int rows = 0;  // tile rows; 0: only the whole picture
  int columns = 0;
};

// Divides a picture as transformers' Idefics3 and SmolVLM processors do: the longer side is resized
// to `longest_edge` (0: not resized) with the same aspect ratio, then both sides are enlarged to
// multiples of `tile`. A picture that fits into one tile, or `split` false, gives only the whole
// picture. Throws emend::Error for a picture without pixels, and for one that becomes too large.
CutImage cut_into_tiles(const Image& image, int longest_edge, int tile, bool split,
                        Resample filter);

}  // namespace emend
