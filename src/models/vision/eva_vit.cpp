#include "models/vision/eva_vit.h"

#include <fmt/format.h>

#include <cmath>

#include "io/error.h"
#include "nn/attention.h"

namespace emend {

EvaVit::EvaVit(const Blip2VisionConfig& config, Builder builder) : config_(config) {
  const int64_t width = config.hidden, patch = config.patch_size;
  const std::string path = "vision_model.";
  class_embedding_ = builder.parameter(path + "embeddings.class_embedding", {1, 1, width});
  position_embedding_ = builder.parameter(path + "embeddings.position_embedding",
                                          {1, 1 + config.grid() * config.grid(), width});
  patch_weight_ =
      builder.parameter(path + "embeddings.patch_embedding.weight", {width, 3, patch, patch});
  patch_bias_ = builder.parameter(path + "embeddings.patch_embedding.bias", {width});
  for (int64_t i = 0; i < config.layers; ++i) {
    ++builder.stage;
    const auto layer = fmt::format("{}encoder.layers.{}.", path, i);
    Block block;
    block.norm1 = builder.norm(layer + "layer_norm1", width, config.eps);
    block.qkv = builder.linear(layer + "self_attn.qkv", width, 3 * width, config.qkv_bias);
    block.projection = builder.linear(layer + "self_attn.projection", width, width);
    block.norm2 = builder.norm(layer + "layer_norm2", width, config.eps);
    block.fc1 = builder.linear(layer + "mlp.fc1", width, config.intermediate);
    block.fc2 = builder.linear(layer + "mlp.fc2", config.intermediate, width);
    blocks_.push_back(std::move(block));
  }
  post_norm_ = builder.norm(path + "post_layernorm", width, config.post_norm_eps);
}

at::Tensor EvaVit::positions(int64_t height, int64_t width) const {
  const int64_t trained = config_.grid();
  if (height == trained && width == trained) return position_embedding_;
  auto grid = position_embedding_.slice(1, 1)
                  .reshape({1, trained, trained, config_.hidden})
                  .permute({0, 3, 1, 2});
  grid = at::upsample_bicubic2d(grid, {height, width}, /*align_corners=*/false);
  grid = grid.permute({0, 2, 3, 1}).reshape({1, height * width, config_.hidden});
  return at::cat({position_embedding_.slice(1, 0, 1), grid}, 1);
}

at::Tensor EvaVit::embed(const at::Tensor& pixels) const {
  const int64_t patch = config_.patch_size;
  if (pixels.dim() != 4 || pixels.size(1) != 3 || pixels.size(2) < patch || pixels.size(3) < patch)
    throw Error(
        "models::vision",
        fmt::format("pixels must be (N, 3, H, W) with H and W of at least {} and {}", patch, patch),
        "a picture has at least one patch; use the folder's image processor");
  auto patches =
      at::conv2d(pixels.to(patch_weight_.options()), patch_weight_, patch_bias_, {patch, patch});
  auto where = positions(patches.size(2), patches.size(3));
  auto x = at::cat({class_embedding_.expand({pixels.size(0), 1, config_.hidden}),
                    patches.flatten(2).transpose(1, 2)},
                   1);
  return x + where;
}

at::Tensor EvaVit::block(size_t index, const at::Tensor& x, const Attachments& attachments) const {
  const auto& b = blocks_[index];
  const int64_t n = x.size(0), t = x.size(1), heads = config_.heads, d = config_.hidden / heads;
  auto qkv = b.qkv(b.norm1(x), attachments).reshape({n, t, 3, heads, d}).permute({2, 0, 3, 1, 4});
  auto mixed = attention(qkv.select(0, 0), qkv.select(0, 1), qkv.select(0, 2), {},
                         1 / std::sqrt(static_cast<double>(d)));
  auto h = b.projection(merge_heads(mixed), attachments) + x;
  auto inner = activate(b.fc1(b.norm2(h), attachments), config_.activation);
  return b.fc2(inner, attachments) + h;
}

void EvaVit::run_stage(size_t index, Pass& pass, const Attachments& attachments) const {
  if (index == 0)
    pass.hidden = embed(pass.pixels.stacked());
  else if (index + 1 < stages())
    pass.hidden = block(index - 1, pass.hidden, attachments);
  else
    pass.hidden = norm(pass.hidden);
}

}  // namespace emend
