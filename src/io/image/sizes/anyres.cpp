#include "io/image/sizes/anyres.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "io/error.h"

namespace emend {
namespace {

// The size of a picture that is scaled into a resolution, as transformers' get_patch_output_size.
std::array<int64_t, 2> scaled_size(const Image& image, const std::array<int64_t, 2>& target) {
  const auto [high, wide] = target;
  const double by_width = static_cast<double>(wide) / image.width;
  const double by_height = static_cast<double>(high) / image.height;
  if (by_width < by_height)
    return {std::min<int64_t>(static_cast<int64_t>(std::ceil(image.height * by_width)), high),
            wide};
  return {high, std::min<int64_t>(static_cast<int64_t>(std::ceil(image.width * by_height)), wide)};
}

}  // namespace

GridPinpoints llava_next_pinpoints() {
  return {{336, 672}, {672, 336}, {672, 672}, {1008, 336}, {336, 1008}};
}

GridPinpoints llava_onevision_pinpoints() {
  GridPinpoints all;
  for (int64_t rows = 1; rows <= 6; ++rows)
    for (int64_t columns = 1; columns <= 6; ++columns) all.push_back({384 * rows, 384 * columns});
  return all;
}

std::array<int64_t, 2> best_resolution(int64_t height, int64_t width,
                                       const GridPinpoints& pinpoints) {
  std::array<int64_t, 2> best = pinpoints.front();
  int64_t most = 0, least_waste = INT64_MAX;
  for (const auto& resolution : pinpoints) {
    const double scale = std::min(static_cast<double>(resolution[1]) / static_cast<double>(width),
                                  static_cast<double>(resolution[0]) / static_cast<double>(height));
    const auto scaled = static_cast<int64_t>(static_cast<double>(width) * scale) *
                        static_cast<int64_t>(static_cast<double>(height) * scale);
    const auto kept = std::min(scaled, width * height);
    const auto waste = resolution[0] * resolution[1] - kept;
    if (kept < most || (kept == most && waste >= least_waste)) continue;
    most = kept;
    least_waste = waste;
    best = resolution;
  }
  return best;
}

std::vector<Image> anyres_tiles(const Image& image, const GridPinpoints& pinpoints, int tile,
                                Resample filter) {
  if (image.width < 1 || image.height < 1)
    throw Error("io::image", "the picture has no pixels", "load a valid picture");
  const auto resolution = best_resolution(image.height, image.width, pinpoints);
  const auto [height, width] = scaled_size(image, resolution);
  if (height < 1 || width < 1)
    throw Error("io::image",
                fmt::format("a picture of {} x {} pixels is too narrow for the tiles of this model",
                            image.width, image.height),
                "crop its longer side");
  const auto scaled = resize(image, static_cast<int>(width), static_cast<int>(height), filter);
  const auto canvas = crop(scaled, -static_cast<int>((resolution[1] - width) / 2),
                           -static_cast<int>((resolution[0] - height) / 2),
                           static_cast<int>(resolution[1]), static_cast<int>(resolution[0]));
  std::vector<Image> images = {resize(image, tile, tile, filter)};
  for (int top = 0; top < canvas.height; top += tile)
    for (int left = 0; left < canvas.width; left += tile)
      images.push_back(crop(canvas, left, top, tile, tile));
  return images;
}

at::Tensor pack_anyres(int64_t height, int64_t width, const at::Tensor& pixels) {
  const auto size = at::tensor({static_cast<float>(height), static_cast<float>(width)});
  return at::cat({size.to(pixels.options()), pixels.flatten()});
}

AnyresPicture unpack_anyres(const at::Tensor& packed, int64_t tile) {
  const auto each = 3 * tile * tile;
  const bool fits = packed.dim() == 1 && packed.size(0) > 2 && (packed.size(0) - 2) % each == 0;
  AnyresPicture picture;
  if (fits) {
    const auto size = packed.narrow(0, 0, 2).to(at::kCPU).to(at::kLong);
    picture = {size[0].item<int64_t>(), size[1].item<int64_t>(),
               packed.slice(0, 2).view({-1, 3, tile, tile})};
  }
  if (!fits || picture.height < 1 || picture.width < 1)
    throw Error("models::vision",
                fmt::format("a picture is not divided into tiles of {} x {} pixels", tile, tile),
                "preprocessor_config.json must have the image size of config.json");
  return picture;
}

}  // namespace emend
