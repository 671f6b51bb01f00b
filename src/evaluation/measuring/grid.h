#pragma once

#include <string>
#include <vector>

#include "suites/groups.h"

namespace emend {

// The cell of a probe in the T x I grid (De-VQA): how similar its text and its picture are to those
// of the edit.
struct Place {
  std::string text;   // edited, similar, unrelated
  std::string image;  // edited, similar, unrelated, none
  bool operator==(const Place&) const = default;
};

// The rows (texts) and columns (pictures) of the grid.
const std::vector<std::string>& grid_texts();
const std::vector<std::string>& grid_images();

// Both are empty for portability, whose questions have other texts. `similar`: Probe::similar.
Place place_of(Group group, bool similar);

// The name of a picture in results: its path, `pictures/HASH.png` for a generated picture, or empty
// for no picture.
std::string picture_name(const Picture& picture);
// XXH3-128 of size and pixels.
std::string picture_hash(const Image& image);

}  // namespace emend
