#include "io/image/processor_settings.h"

#include <fmt/format.h>

#include "io/error.h"
#include "io/json/json.h"

namespace emend {

using nlohmann::json;

namespace {

constexpr const char* kSettingsPlace = "io::image_processor";
constexpr int64_t kLargestSide = 8192;

}  // namespace

void unsupported_setting(const std::string& path, const std::string& setting) {
  throw Error(kSettingsPlace, fmt::format("'{}': {} is not supported", path, setting),
              "emend pads, resizes, crops, rescales and normalizes like the processors of BLIP, "
              "CLIP, LLaVA, LLaVA-NeXT, LLaVA-OneVision, SmolVLM, Qwen-VL and ResNetLlama");
}

int pixel_side(int64_t value, const std::string& path) {
  if (value < 1 || value > kLargestSide)
    throw Error(
        kSettingsPlace,
        fmt::format("'{}': a size of {} pixels is not between 1 and {}", path, value, kLargestSide),
        "correct the size; models look at a few hundred pixels");
  return static_cast<int>(value);
}

void read_sides(const json& size, const std::string& path, const char* name, int& width,
                int& height) {
  if (size.is_object()) {
    for (const auto& [key, value] : size.items())
      if (key != "height" && key != "width")
        unsupported_setting(path, fmt::format("{} with '{}'", name, key));
    height = pixel_side(json_get<int64_t>(size, "height", path), path);
    width = pixel_side(json_get<int64_t>(size, "width", path), path);
  } else {
    height = width = pixel_side(json_get<int64_t>({{name, size}}, name, path), path);
  }
}

// The limits of the area, which older releases call min_pixels and max_pixels.
void read_factor(const json& config, const std::string& path, ImageProcessor& processor) {
  const auto patch = json_get_or<int64_t>(config, "patch_size", 14, path);
  const auto merge = json_get_or<int64_t>(config, "merge_size", 2, path);
  json_get_or<int64_t>(config, "temporal_patch_size", 2, path);
  if (patch < 1 || patch > kLargestSide || merge < 1 || merge > kLargestSide)
    throw Error(kSettingsPlace,
                fmt::format("'{}': patch_size is {} and merge_size {}", path, patch, merge),
                fmt::format("both must be from 1 to {}", kLargestSide));
  processor.factor = pixel_side(patch * merge, path);
  const auto read = [&](const json& from, const char* name, int64_t& limit) {
    limit = json_get_or<int64_t>(from, name, limit, path);
  };
  if (config.contains("size") && !config["size"].is_null()) {
    const auto& size = config["size"];
    if (!size.is_object()) unsupported_setting(path, "size that is a number");
    for (const auto& [key, value] : size.items())
      if (key != "shortest_edge" && key != "longest_edge" && key != "min_pixels" &&
          key != "max_pixels" && !value.is_null())
        unsupported_setting(path, fmt::format("size with '{}'", key));
    for (const char* name : {"shortest_edge", "min_pixels"}) read(size, name, processor.min_pixels);
    for (const char* name : {"longest_edge", "max_pixels"}) read(size, name, processor.max_pixels);
  }
  read(config, "min_pixels", processor.min_pixels);
  read(config, "max_pixels", processor.max_pixels);
  if (processor.min_pixels < 1 || processor.max_pixels < processor.min_pixels)
    throw Error(kSettingsPlace,
                fmt::format("'{}': the area of a picture is limited to {} to {} pixels", path,
                            processor.min_pixels, processor.max_pixels),
                "correct size.shortest_edge and size.longest_edge (min_pixels and max_pixels)");
}

// Tiles for pictures of any resolution. `do_pad` only gives the pictures of a batch the same number
// of tiles.
void read_resolutions(const json& config, const std::string& path, bool next,
                      ImageProcessor& processor) {
  json_get_or<bool>(config, "do_pad", true, path);
  if (!json_get_or<bool>(config, "do_resize", true, path))
    unsupported_setting(path, "do_resize false");
  int64_t tile = next ? 336 : 384;
  if (config.contains("size") && !config["size"].is_null()) {
    const auto& size = config["size"];
    if (size.is_object() && size.contains("shortest_edge") && size.size() == 1) {
      tile = json_get<int64_t>(size, "shortest_edge", path);
    } else {
      read_sides(size, path, "size", processor.width, processor.height);
      tile = processor.height;
    }
  }
  processor.width = processor.height = pixel_side(tile, path);
  for (const char* name : {"size", "crop_size"}) {
    if (!config.contains(name) || config[name].is_null()) continue;
    int wide = processor.width, high = processor.height;
    if (!config[name].is_object() || !config[name].contains("shortest_edge"))
      read_sides(config[name], path, name, wide, high);
    if (wide != processor.width || high != processor.height)
      unsupported_setting(path, fmt::format("{} other than a square of {} pixels", name, tile));
  }
  const char* key = "image_grid_pinpoints";
  if (config.contains(key) && !config[key].is_null()) {
    if (!config[key].is_array())
      unsupported_setting(path, std::string(key) + " that is not a list");
    for (const auto& one : config[key]) {
      const auto pair = json_get<std::vector<int64_t>>({{key, one}}, key, path);
      if (pair.size() != 2) unsupported_setting(path, std::string(key) + " other than pairs");
      processor.pinpoints.push_back({pixel_side(pair[0], path), pixel_side(pair[1], path)});
    }
  } else {
    processor.pinpoints = next ? llava_next_pinpoints() : llava_onevision_pinpoints();
  }
  for (const auto& [high, wide] : processor.pinpoints)
    if (high % tile != 0 || wide % tile != 0)
      unsupported_setting(path, fmt::format("{} with {} x {}, which are not multiples of {},", key,
                                            high, wide, tile));
  if (processor.pinpoints.empty())
    unsupported_setting(path, std::string(key) + " without a resolution");
}

}  // namespace emend
