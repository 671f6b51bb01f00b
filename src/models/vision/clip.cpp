#include "models/vision/clip.h"

#include <fmt/format.h>

#include <cmath>

#include "io/error.h"
#include "nn/attention.h"

namespace emend {

Clip::Clip(const ClipVisionConfig& config, int64_t run, Builder builder, const std::string& path)
    : config_(config) {
  const int64_t width = config.hidden, patch = config.patch_size;
  class_embedding_ = builder.parameter(path + "embeddings.class_embedding", {width});
  patch_weight_ =
      builder.parameter(path + "embeddings.patch_embedding.weight", {width, 3, patch, patch});
  position_embedding_ = builder.parameter(path + "embeddings.position_embedding.weight",
                                          {1 + config.grid() * config.grid(), width});
  // transformers spells it so.
  pre_norm_ = builder.norm(path + "pre_layrnorm", width, config.eps);
  const auto layer = [&](int64_t i) { return fmt::format("{}encoder.layers.{}.", path, i); };
  for (int64_t i = 0; i < run; ++i) {
    ++builder.stage;
    blocks_.push_back(make_block(builder, layer(i)));
  }
  // No site is where nothing runs.
  std::vector<Site> sites;
  std::vector<at::Tensor> site_weights;
  const Builder idle{builder.weights, builder.parameters, sites, site_weights, builder.stage};
  for (int64_t i = run; i < config.layers; ++i) make_block(idle, layer(i));
  idle.norm(path + "post_layernorm", width, config.eps);
}

Clip::Block Clip::make_block(const Builder& builder, const std::string& path) const {
  const int64_t width = config_.hidden;
  Block block;
  block.norm1 = builder.norm(path + "layer_norm1", width, config_.eps);
  block.q = builder.linear(path + "self_attn.q_proj", width, width);
  block.k = builder.linear(path + "self_attn.k_proj", width, width);
  block.v = builder.linear(path + "self_attn.v_proj", width, width);
  block.out = builder.linear(path + "self_attn.out_proj", width, width);
  block.norm2 = builder.norm(path + "layer_norm2", width, config_.eps);
  block.fc1 = builder.linear(path + "mlp.fc1", width, config_.intermediate);
  block.fc2 = builder.linear(path + "mlp.fc2", config_.intermediate, width);
  return block;
}

at::Tensor Clip::embed(const at::Tensor& pixels) const {
  const int64_t size = config_.image_size, patch = config_.patch_size;
  if (pixels.dim() != 4 || pixels.size(1) != 3 || pixels.size(2) != size || pixels.size(3) != size)
    throw Error("models::vision", fmt::format("pixels must be (N, 3, {}, {})", size, size),
                "preprocessor_config.json must make pictures of the size that config.json says");
  const auto patches =
      at::conv2d(pixels.to(patch_weight_.options()), patch_weight_, {}, {patch, patch});
  const auto first = class_embedding_.expand({pixels.size(0), 1, config_.hidden});
  const auto x = at::cat({first, patches.flatten(2).transpose(1, 2)}, 1);
  return pre_norm_(x + position_embedding_);
}

at::Tensor Clip::block(size_t index, const at::Tensor& x, const Attachments& attachments) const {
  const auto& b = blocks_[index];
  const int64_t heads = config_.heads;
  const auto in = b.norm1(x);
  const auto mixed =
      attention(split_heads(b.q(in, attachments), heads), split_heads(b.k(in, attachments), heads),
                split_heads(b.v(in, attachments), heads), {},
                1 / std::sqrt(static_cast<double>(config_.hidden / heads)));
  const auto h = x + b.out(merge_heads(mixed), attachments);
  const auto inner = activate(b.fc1(b.norm2(h), attachments), config_.activation);
  return h + b.fc2(inner, attachments);
}

}  // namespace emend
