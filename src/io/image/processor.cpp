#include "io/image/processor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "io/error.h"
#include "io/image/processor_settings.h"
#include "io/image/sizes/smart_resize.h"
#include "io/image/sizes/tiles.h"
#include "io/json/json.h"

namespace emend {
namespace {

using nlohmann::json;
constexpr const char* kProcessorPlace = "io::image_processor";
constexpr int64_t kMostPixels = 178000000;  // about twice the limit of a picture that is read

enum class Family { blip, siglip, clip, llava, llava_next, onevision, idefics3, qwen2_vl, resnet };

// Whether a size is both sides of the result, so that pictures change their shape.
bool stretches(Family family) {
  return family == Family::blip || family == Family::siglip || family == Family::resnet;
}

// Chooses by the class that wrote the file; a file without a class is BLIP's.
Family family_of(const json& config, const std::string& path) {
  static const std::map<std::string, Family> known = {
      {"BlipImageProcessor", Family::blip},
      {"CLIPImageProcessor", Family::clip},
      {"CLIPFeatureExtractor", Family::clip},
      {"LlavaImageProcessor", Family::llava},
      {"SiglipImageProcessor", Family::siglip},
      {"Idefics3ImageProcessor", Family::idefics3},
      {"SmolVLMImageProcessor", Family::idefics3},
      {"ResNetLlamaImageProcessor", Family::resnet},
      {"LlavaNextImageProcessor", Family::llava_next},
      {"LlavaOnevisionImageProcessor", Family::onevision},
      {"Qwen2VLImageProcessor", Family::qwen2_vl},
      {"Qwen2_5_VLImageProcessor", Family::qwen2_vl}};
  for (const char* key : {"image_processor_type", "feature_extractor_type"}) {
    if (!config.contains(key) || config[key].is_null()) continue;
    const auto full = json_get<std::string>(config, key, path);
    auto name = full;
    for (const std::string backend : {"Fast", "Pil"})
      if (name.size() > backend.size() && name.ends_with(backend))
        name.resize(name.size() - backend.size());
    const auto found = known.find(name);
    if (found == known.end()) unsupported_setting(path, fmt::format("{} {}", key, full));
    return found->second;
  }
  return Family::blip;
}

int read_longest_edge(const json& size, const std::string& path, const char* name) {
  if (!size.is_object() || size.size() != 1 || !size.contains("longest_edge"))
    unsupported_setting(path, fmt::format("{} other than 'longest_edge'", name));
  return pixel_side(json_get<int64_t>(size, "longest_edge", path), path);
}

// A single number is both sides for BLIP and SigLIP, and the shorter side for CLIP.
void read_size(const json& size, const std::string& path, Family family,
               ImageProcessor& processor) {
  const bool keeps_shape = !stretches(family);
  if (keeps_shape && (size.is_number() || (size.is_object() && size.contains("shortest_edge")))) {
    if (size.is_object() && size.size() > 1)
      for (const auto& [key, value] : size.items())
        if (key != "shortest_edge" && !value.is_null())
          unsupported_setting(path, "size with 'shortest_edge' and '" + key + "'");
    const json edge = size.is_number() ? json{{"shortest_edge", size}} : size;
    processor.shortest_edge = pixel_side(json_get<int64_t>(edge, "shortest_edge", path), path);
    return;
  }
  processor.shortest_edge = 0;
  read_sides(size, path, "size", processor.width, processor.height);
}

std::array<double, 3> read_channels(const json& config, const char* key,
                                    std::array<double, 3> fallback, const std::string& path) {
  if (!config.contains(key) || config[key].is_null()) return fallback;
  std::array<double, 3> values;
  if (config[key].is_number()) {
    values.fill(config[key].get<double>());
  } else {
    auto list = json_get<std::vector<double>>(config, key, path);
    if (list.size() != 3)
      throw Error(kProcessorPlace, fmt::format("'{}': {} has {} values", path, key, list.size()),
                  "give one value per color channel");
    std::copy(list.begin(), list.end(), values.begin());
  }
  for (double value : values)
    if (!std::isfinite(value) || (std::string(key) == "image_std" && value == 0))
      throw Error(kProcessorPlace, fmt::format("'{}': {} has the value {}", path, key, value),
                  "a mean must be finite, and a standard deviation finite and not 0");
  return values;
}

// Refuses settings of processors of this kind that would change the result.
void refuse_unknown(const json& config, const std::string& path, Family family) {
  std::set<std::string> known = {"do_resize",  "size",           "resample",
                                 "do_rescale", "rescale_factor", "do_normalize",
                                 "image_mean", "image_std",      "do_convert_rgb"};
  if (family == Family::idefics3)
    known.insert({"do_image_splitting", "max_image_size"});
  else if (family == Family::qwen2_vl)
    known.insert({"min_pixels", "max_pixels", "patch_size", "temporal_patch_size", "merge_size"});
  else if (!stretches(family))
    known.insert("do_center_crop");
  if (family == Family::llava || family == Family::idefics3) known.insert("do_pad");
  if (family == Family::llava_next || family == Family::onevision)
    known.insert({"do_center_crop", "do_pad", "image_grid_pinpoints"});
  if (family == Family::resnet) known.insert("do_flip_channel_order");
  // These name the class that reads the file, or have no effect because their `do_` setting is off.
  static const std::set<std::string> harmless = {"image_processor_type",
                                                 "feature_extractor_type",
                                                 "processor_class",
                                                 "crop_size",
                                                 "pad_size",
                                                 "data_format",
                                                 "input_data_format",
                                                 "device",
                                                 "return_tensors",
                                                 "default_to_square",
                                                 "disable_grouping",
                                                 "image_seq_length",
                                                 "num_query_tokens",
                                                 "return_row_col_info",
                                                 "aspect_ratio_setting",
                                                 "video_sampling",
                                                 "_valid_processor_keys",
                                                 "_processor_class",
                                                 "_name_or_path",
                                                 "transformers_version",
                                                 "auto_map"};
  for (const auto& [key, value] : config.items()) {
    if (known.count(key) || harmless.count(key)) continue;
    if (value.is_null() || (value.is_boolean() && !value.get<bool>())) continue;
    unsupported_setting(path, fmt::format("the setting '{}'", key));
  }
  const bool square = stretches(family) || family == Family::idefics3;
  if (json_get_or<bool>(config, "default_to_square", square, path) != square)
    unsupported_setting(path, fmt::format("default_to_square {}", !square));
  auto format = json_get_or<std::string>(config, "data_format", "channels_first", path);
  if (format != "channels_first") unsupported_setting(path, "data_format " + format);
}

void read_tiles(const json& config, const std::string& path, ImageProcessor& processor) {
  const auto edge = [&](const char* name, int absent) {
    const bool said = config.contains(name) && !config[name].is_null();
    return said ? read_longest_edge(config[name], path, name) : absent;
  };
  processor.longest_edge = edge("size", 4 * 364);
  processor.tile = edge("max_image_size", 364);
  processor.split = json_get_or<bool>(config, "do_image_splitting", true, path);
  json_get_or<bool>(config, "do_pad", true, path);  // only pads the pictures of a batch to one size
  processor.mean = processor.std = {0.5, 0.5, 0.5};
}

// The input of ResNets in Keras (`caffe` mode): BGR from 0 to 255, minus the means of ImageNet.
void set_defaults_of_keras(ImageProcessor& processor) {
  processor.width = processor.height = 224;
  processor.do_flip_channel_order = true;
  processor.do_rescale = false;
  processor.mean = {103.939, 116.779, 123.68};
  processor.std = {1, 1, 1};
}

}  // namespace

ImageProcessor ImageProcessor::load(const std::string& path) {
  auto config = read_json(path);
  if (!config.is_object())
    throw Error(kProcessorPlace, fmt::format("'{}' is not an object of settings", path),
                "check that it is a preprocessor_config.json");
  // processor_config.json has the same settings under a key.
  if (config.contains("image_processor") && config["image_processor"].is_object())
    config = nlohmann::json(config["image_processor"]);
  const auto family = family_of(config, path);
  refuse_unknown(config, path, family);
  ImageProcessor processor;
  // The defaults of Hugging Face, for settings that the file does not have.
  processor.width = processor.height = 384;
  if (family == Family::idefics3) {
    read_tiles(config, path, processor);
  } else if (family == Family::llava_next || family == Family::onevision) {
    read_resolutions(config, path, family == Family::llava_next, processor);
    processor.divides_several = family == Family::llava_next;
  } else if (family == Family::qwen2_vl) {
    read_factor(config, path, processor);
  } else if (family == Family::siglip) {
    processor.width = processor.height = 224;
    processor.mean = processor.std = {0.5, 0.5, 0.5};
  } else if (family == Family::resnet) {
    set_defaults_of_keras(processor);
  } else if (family != Family::blip) {
    processor.shortest_edge = 224;
    processor.do_center_crop = json_get_or<bool>(config, "do_center_crop", true, path);
    if (config.contains("crop_size") && !config["crop_size"].is_null())
      read_sides(config["crop_size"], path, "crop_size", processor.crop_width,
                 processor.crop_height);
  }
  if (family == Family::llava) processor.do_pad = json_get_or<bool>(config, "do_pad", false, path);
  processor.do_resize = json_get_or<bool>(config, "do_resize", true, path);
  processor.do_rescale = json_get_or<bool>(config, "do_rescale", processor.do_rescale, path);
  processor.do_flip_channel_order =
      json_get_or<bool>(config, "do_flip_channel_order", processor.do_flip_channel_order, path);
  processor.do_normalize = json_get_or<bool>(config, "do_normalize", true, path);
  // Only read to check its type: every picture is RGB here, whatever the value is.
  json_get_or<bool>(config, "do_convert_rgb", true, path);
  const bool own_size = family == Family::idefics3 || family == Family::qwen2_vl ||
                        family == Family::llava_next || family == Family::onevision;
  if (!own_size && config.contains("size") && !config["size"].is_null())
    read_size(config["size"], path, family, processor);
  const int64_t usual = family == Family::idefics3 ? 1 : family == Family::resnet ? 2 : 3;
  auto resample = json_get_or<int64_t>(config, "resample", usual, path);
  if (resample < 0 || resample > 3)
    unsupported_setting(
        path, fmt::format("resample {} (supported: 0 nearest, 1 Lanczos, 2 bilinear, 3 bicubic)",
                          resample));
  processor.resample = static_cast<Resample>(resample);
  processor.rescale_factor = json_get_or<double>(config, "rescale_factor", 1.0 / 255, path);
  processor.mean = read_channels(config, "image_mean", processor.mean, path);
  processor.std = read_channels(config, "image_std", processor.std, path);
  return processor;
}

Image ImageProcessor::framed(const Image& image, bool pad) const {
  Image frame;
  const Image* now = &image;
  const auto become = [&](Image next) {
    frame = std::move(next);
    now = &frame;
  };
  const auto refuse_size = [&](const char* when) {
    throw Error(kProcessorPlace,
                fmt::format("a picture of {} x {} pixels becomes too large when it is {}",
                            now->width, now->height, when),
                "crop its longer side");
  };
  if (pad) {
    const int64_t side = std::max(now->width, now->height);
    if (side * side > kMostPixels) refuse_size("padded to a square");
    std::array<uint8_t, 3> color;
    for (int c = 0; c < 3; ++c)
      color[c] = static_cast<uint8_t>(std::clamp(mean[c] * 255, 0.0, 255.0));
    become(pad_to_square(*now, color));
  }
  if (do_resize && shortest_edge > 0) {
    const int64_t shorter = std::min(now->width, now->height);
    const int64_t longer = std::max(now->width, now->height);
    if (shorter < 1)
      throw Error(kProcessorPlace, "the picture has no pixels", "load a valid picture");
    // Rounded down, as in transformers.
    const auto grown = shortest_edge * longer / shorter;
    if (grown > kMostPixels / shortest_edge) refuse_size("resized");
    const bool upright = now->width <= now->height;
    const int other = static_cast<int>(grown);
    become(
        resize(*now, upright ? shortest_edge : other, upright ? other : shortest_edge, resample));
  } else if (do_resize && factor > 0) {
    const auto size = smart_resize(now->width, now->height, factor, min_pixels, max_pixels);
    become(resize(*now, size.width, size.height, resample));
  } else if (do_resize) {
    become(resize(*now, width, height, resample));
  }
  if (do_center_crop) become(crop_center(*now, crop_width, crop_height));
  return *now;
}

Tiles ImageProcessor::tiles(const Image& image, bool alone) const {
  if (!pinpoints.empty()) {
    const auto images = alone || divides_several ? anyres_tiles(image, pinpoints, width, resample)
                                                 : std::vector<Image>{framed(image, /*pad=*/true)};
    std::vector<at::Tensor> each;
    for (const auto& one : images) each.push_back(pixels(one));
    return {pack_anyres(image.height, image.width, at::stack(each)).unsqueeze(0), 0, 0};
  }
  if (tile == 0) return {pixels(framed(image, do_pad)).unsqueeze(0), 0, 0};
  const auto cut = cut_into_tiles(image, do_resize ? longest_edge : 0, tile, split, resample);
  std::vector<at::Tensor> each;
  for (const auto& one : cut.images) each.push_back(pixels(one));
  return {at::stack(each), cut.rows, cut.columns};
}

at::Tensor ImageProcessor::pixels(const Image& source) const {
  if (source.rgb.size() != size_t(source.width) * source.height * 3 || source.rgb.empty())
    throw Error(kProcessorPlace, "the picture has no pixels", "load a valid picture");
  auto out = at::empty({3, source.height, source.width}, at::kFloat);
  const size_t count = size_t(source.width) * source.height;
  for (int c = 0; c < 3; ++c) {
    // Rescaled in double and rounded once, normalized in float, as Hugging Face does with NumPy.
    std::array<float, 256> table;
    const float center = static_cast<float>(mean[c]), spread = static_cast<float>(std[c]);
    for (int value = 0; value < 256; ++value) {
      float x = static_cast<float>(do_rescale ? value * rescale_factor : value);
      table[value] = do_normalize ? (x - center) / spread : x;
    }
    float* to = out.data_ptr<float>() + c * count;
    const uint8_t* from = source.rgb.data() + (do_flip_channel_order ? 2 - c : c);
    for (size_t i = 0; i < count; ++i) to[i] = table[from[3 * i]];
  }
  return out;
}

}  // namespace emend
