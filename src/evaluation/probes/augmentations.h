#pragma once

#include <string>
#include <vector>

#include "io/image/image.h"

namespace emend {

// An altered copy of a picture. It is not mirrored or rotated, so that left remains left.
struct AlteredPicture {
  std::string how;  // moved, zoomed, lighter, darker, noisy
  Image image;      // of the same size
};

// One copy of each kind. The same seed gives the same bytes.
std::vector<AlteredPicture> altered_copies(const Image& image, uint64_t seed);

}  // namespace emend
