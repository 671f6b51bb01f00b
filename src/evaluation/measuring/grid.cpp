#include "evaluation/measuring/grid.h"

#include <fmt/format.h>

#include "io/hash.h"

namespace emend {

const std::vector<std::string>& grid_texts() {
  static const std::vector<std::string> texts = {"edited", "similar", "unrelated"};
  return texts;
}

const std::vector<std::string>& grid_images() {
  static const std::vector<std::string> images = {"edited", "similar", "unrelated", "none"};
  return images;
}

Place place_of(Group group, bool similar) {
  const char* near = similar ? "similar" : "edited";
  switch (group) {
    case Group::reliability:
      return {"edited", "edited"};
    case Group::text_generality:
      return {"similar", "edited"};
    case Group::image_generality:
      return {"edited", "similar"};
    case Group::both_generality:
      return {"similar", "similar"};
    case Group::text_locality:
      return {"unrelated", "none"};
    case Group::image_locality:
      return {"unrelated", "unrelated"};
    case Group::random_image_locality:
      return {near, "unrelated"};
    case Group::no_image_locality:
      return {near, "none"};
    case Group::consistent_image_locality:
      return {"unrelated", near};
    case Group::portability:
      return {};
  }
  return {};
}

std::string picture_hash(const Image& image) {
  return Hasher()
      .update(fmt::format("{} {};", image.width, image.height))
      .update(image.rgb.data(), image.rgb.size())
      .hex();
}

std::string picture_name(const Picture& picture) {
  if (!picture.path.empty()) return picture.path;
  return picture.drawn ? fmt::format("pictures/{}.png", picture_hash(*picture.drawn)) : "";
}

}  // namespace emend
