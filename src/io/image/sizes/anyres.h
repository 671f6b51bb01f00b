#pragma once

#include <ATen/ATen.h>

#include <array>
#include <cstdint>
#include <vector>

#include "io/image/image.h"

namespace emend {

// LLaVA-NeXT's and LLaVA-OneVision's pictures of any resolution: the picture is scaled into the
// most suitable of several resolutions, padded with black, and divided into square tiles, after the
// whole picture as a square.

// Resolutions {height, width}, as in image_grid_pinpoints.
using GridPinpoints = std::vector<std::array<int64_t, 2>>;

// The defaults of transformers. LLaVA-NeXT: 672 x 336 and others, of tiles of 336; LLaVA-OneVision:
// all of up to 6 x 6 tiles of 384.
GridPinpoints llava_next_pinpoints();
GridPinpoints llava_onevision_pinpoints();

// transformers' select_best_resolution: the resolution that keeps most of the picture's pixels and
// then wastes the fewest. `pinpoints` is not empty.
std::array<int64_t, 2> best_resolution(int64_t height, int64_t width,
                                       const GridPinpoints& pinpoints);

// The whole picture and its tiles, row by row, of `tile` x `tile` pixels each. Throws emend::Error
// for a picture without pixels.
std::vector<Image> anyres_tiles(const Image& image, const GridPinpoints& pinpoints, int tile,
                                Resample filter);

// Such a picture as one tensor (2 + K * 3 * tile * tile): the height and width of the original, on
// which the number of image tokens depends, then the pixels of the whole and the tiles.
// pixels: (K, 3, tile, tile).
at::Tensor pack_anyres(int64_t height, int64_t width, const at::Tensor& pixels);
// The parts of such a tensor: the size of the original, and the pixels of the whole and the tiles.
struct AnyresPicture {
  int64_t height = 0, width = 0;
  at::Tensor pixels;  // (K, 3, tile, tile)
};
// Throws emend::Error if the tensor has tiles of another size.
AnyresPicture unpack_anyres(const at::Tensor& packed, int64_t tile);

}  // namespace emend
