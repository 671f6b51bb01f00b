#pragma once

#include <string>
#include <vector>

#include "suites/record.h"

namespace emend {

// Where a probe stands in the T x I grid (De-VQA): how near its text and its picture are to the
// edit's.
struct Place {
  std::string text;   // edited, similar, unrelated
  std::string image;  // edited, similar, unrelated, none
  bool operator==(const Place&) const = default;
};

// Texts down, pictures across.
const std::vector<std::string>& grid_texts();
const std::vector<std::string>& grid_images();

// Both empty for portability: what follows from an edit is asked in words of its own.
// `similar`: Probe::similar.
Place place_of(Group group, bool similar);

// What a picture is called in a result: its path, `pictures/HASH.png` for one that was drawn, empty
// for none.
std::string picture_name(const Picture& picture);
// XXH3-128 of size and pixels.
std::string picture_hash(const Image& image);

}  // namespace emend
