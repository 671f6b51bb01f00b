#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "io/image/processor.h"

// Parts of reading preprocessor_config.json. `path` names the file in errors.
namespace emend {

// Throws the error that a setting is not supported.
[[noreturn]] void unsupported_setting(const std::string& path, const std::string& setting);
// A number of pixels; throws emend::Error if it is out of range.
int pixel_side(int64_t value, const std::string& path);
// One number, or height and width.
void read_sides(const nlohmann::json& size, const std::string& path, const char* name, int& width,
                int& height);
// Qwen2-VL: the multiples of the sides, and the limits of the area.
void read_factor(const nlohmann::json& config, const std::string& path, ImageProcessor& processor);
// LLaVA-NeXT (`next`) and LLaVA-OneVision: the resolutions and the size of a tile.
void read_resolutions(const nlohmann::json& config, const std::string& path, bool next,
                      ImageProcessor& processor);

}  // namespace emend
