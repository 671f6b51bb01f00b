#pragma once

#include <string>
#include <vector>

#include "io/image/image.h"

namespace emend {

// The same picture as another camera might have taken it; nothing is mirrored or turned, so that
// left stays left.
struct AlteredPicture {
  std::string how;  // moved, zoomed, lighter, darker, noisy
  Image image;      // of the same size
};

// One of each; the same seed gives the same bytes.
std::vector<AlteredPicture> altered_copies(const Image& image, uint64_t seed);

}  // namespace emend
