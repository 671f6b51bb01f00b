#include "models/vision/siglip.h"

#include <fmt/format.h>

#include "io/error.h"

namespace emend {
namespace {

// Maps patches along one side of a picture to position embeddings: counts how many boundaries
// 1/side, 2/side, ... the coordinate of each patch reaches, in float32 as in transformers. Rounding
// can give the index before the patch's own.
at::Tensor buckets(int64_t side) {
  if (side == 1) return at::zeros({1}, at::kLong);
  const auto width = 1.0 / static_cast<double>(side);
  const auto boundaries = at::arange(width, 1.0, width, at::kFloat);
  const auto step = at::full({1}, static_cast<double>(side), at::kFloat).reciprocal();
  const auto places = (at::arange(side, at::kFloat) * step).clamp_max(1.0 - 1e-6);
  return at::bucketize(places, boundaries, /*out_int32=*/false, /*right=*/true);
}

}  // namespace

Siglip::Siglip(const SiglipConfig& config, Builder builder, const std::string& path)
    : config_(config) {
  const int64_t width = config.hidden, patch = config.patch_size, side = config.grid();
  patch_weight_ =
      builder.parameter(path + "embeddings.patch_embedding.weight", {width, 3, patch, patch});
  patch_bias_ = builder.parameter(path + "embeddings.patch_embedding.bias", {width});
  position_embedding_ =
      builder.parameter(path + "embeddings.position_embedding.weight", {side * side, width});
  const auto along = buckets(side);
  positions_ = (along.unsqueeze(1) * side + along.unsqueeze(0))
                   .flatten()
                   .clamp_max(side * side - 1)
                   .to(builder.weights.device());
  for (int64_t i = 0; i < config.layers; ++i) {
    ++builder.stage;
    blocks_.emplace_back(config, builder, fmt::format("{}encoder.layers.{}.", path, i));
  }
  norm_ = builder.norm(path + "post_layernorm", width, config.eps);
}

at::Tensor Siglip::embed(const at::Tensor& pixels) const {
  const int64_t size = config_.image_size, patch = config_.patch_size, side = config_.grid();
  if (pixels.dim() != 4 || pixels.size(1) != 3 || pixels.size(2) / patch != side ||
      pixels.size(3) / patch != side)
    throw Error("models::vision", fmt::format("pixels must be (N, 3, {}, {})", size, size),
                "preprocessor_config.json must have the image size of config.json");
  const auto patches =
      at::conv2d(pixels.to(patch_weight_.options()), patch_weight_, patch_bias_, {patch, patch});
  return patches.flatten(2).transpose(1, 2) + position_embedding_.index_select(0, positions_);
}

}  // namespace emend
