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
  const auto& info = group_info(group);
  const auto near = [&](const char* similarity) -> std::string {
    return std::string(similarity) != "near" ? similarity : similar ? "similar" : "edited";
  };
  return {near(info.text), near(info.image)};
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
