#include "photo_views.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <regex>

#include "io/error.h"
#include "rewordings.h"

namespace emend::photos {
namespace {

Image scaled_values(Image image, double factor) {
  for (auto& value : image.rgb)
    value = static_cast<uint8_t>(std::min(255.0, std::round(value * factor)));
  return image;
}

Image mirrored(const Image& image) {
  auto result = image;
  const auto width = static_cast<size_t>(image.width);
  for (size_t y = 0; y < static_cast<size_t>(image.height); ++y)
    for (size_t x = 0; x < width; ++x)
      std::copy_n(&image.rgb[(y * width + x) * 3], 3,
                  &result.rgb[(y * width + (width - 1 - x)) * 3]);
  return result;
}

Image gray(Image image) {
  for (size_t i = 0; i + 2 < image.rgb.size(); i += 3) {
    auto* p = &image.rgb[i];
    p[0] = p[1] = p[2] =
        static_cast<uint8_t>(std::lround(0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]));
  }
  return image;
}

Image inner(const Image& image) {
  const int left = image.width / 10, top = image.height / 10;
  return resize(crop(image, left, top, image.width - 2 * left, image.height - 2 * top),
                image.width, image.height);
}

}  // namespace

std::vector<std::string> possible_views(const std::string& text) {
  static const std::regex whole("\\b(?:how many|corners?|edges?|image|picture|photo|most|top)\\b",
                                std::regex_constants::icase);
  std::vector<std::string> views = {"lighter", "darker"};
  if (!std::regex_search(text, whole)) views.push_back("crop");
  if (!names_a_side(text)) views.push_back("mirror");
  if (!names_a_color(text)) views.push_back("gray");
  return views;
}

std::string visible_view(const Image& photo, const std::string& name) {
  double sum = 0;
  for (const auto value : photo.rgb) sum += value;
  const double mean = sum / std::max(1.0, static_cast<double>(photo.rgb.size()));
  if (name == "darker" && mean < 64) return "lighter";
  if (name == "lighter" && mean > 192) return "darker";
  return name;
}

Image view_of(const Image& photo, const std::string& name) {
  if (name == "lighter") return scaled_values(photo, 1.3);
  if (name == "darker") return scaled_values(photo, 0.7);
  if (name == "crop") return inner(photo);
  if (name == "mirror") return mirrored(photo);
  if (name == "gray") return gray(photo);
  throw Error("photos::views", fmt::format("unknown view '{}'", name),
              "use crop, mirror, gray, lighter or darker");
}

}  // namespace emend::photos
