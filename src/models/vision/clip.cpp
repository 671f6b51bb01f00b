#include "models/vision/clip.h"

#include <fmt/format.h>

#include "io/error.h"

namespace emend {

Clip::Clip(const ClipVisionConfig& config, int64_t run, Builder builder, const std::string& path)
    : config_(config) {
  const int64_t width = config.hidden, patch = config.patch_size;
  if (!config.siglip)
    class_embedding_ = builder.parameter(path + "embeddings.class_embedding", {width});
  patch_weight_ =
      builder.parameter(path + "embeddings.patch_embedding.weight", {width, 3, patch, patch});
  if (config.siglip)
    patch_bias_ = builder.parameter(path + "embeddings.patch_embedding.bias", {width});
  position_embedding_ =
      builder.parameter(path + "embeddings.position_embedding.weight", {config.positions(), width});
  // This is the spelling in transformers.
  if (!config.siglip) pre_norm_ = builder.norm(path + "pre_layrnorm", width, config.eps);
  const auto layer = [&](int64_t i) { return fmt::format("{}encoder.layers.{}.", path, i); };
  for (int64_t i = 0; i < run; ++i) {
    ++builder.stage;
    blocks_.emplace_back(config, builder, layer(i));
  }
  // Blocks that do not run have no sites.
  std::vector<Site> sites;
  std::vector<at::Tensor> site_weights;
  const Builder idle{builder.weights, builder.parameters, sites, site_weights, builder.stage};
  for (int64_t i = run; i < config.layers; ++i) PreNormBlock(config, idle, layer(i));
  idle.norm(path + "post_layernorm", width, config.eps);
  if (!config.head) return;
  idle.parameter(path + "head.probe", {1, 1, width});
  idle.parameter(path + "head.attention.in_proj_weight", {3 * width, width});
  idle.parameter(path + "head.attention.in_proj_bias", {3 * width});
  idle.linear(path + "head.attention.out_proj", width, width, true);
  idle.norm(path + "head.layernorm", width, config.eps);
  idle.linear(path + "head.mlp.fc1", width, config.intermediate, true);
  idle.linear(path + "head.mlp.fc2", config.intermediate, width, true);
}

at::Tensor Clip::embed(const at::Tensor& pixels) const {
  const int64_t size = config_.image_size, patch = config_.patch_size;
  if (pixels.dim() != 4 || pixels.size(1) != 3 || pixels.size(2) != size || pixels.size(3) != size)
    throw Error("models::vision", fmt::format("pixels must be (N, 3, {}, {})", size, size),
                "preprocessor_config.json must have the image size of config.json");
  const auto patches =
      at::conv2d(pixels.to(patch_weight_.options()), patch_weight_, patch_bias_, {patch, patch})
          .flatten(2)
          .transpose(1, 2);
  if (config_.siglip) return patches + position_embedding_;
  const auto first = class_embedding_.expand({pixels.size(0), 1, config_.hidden});
  const auto x = at::cat({first, patches}, 1);
  return pre_norm_(x + position_embedding_);
}

}  // namespace emend
