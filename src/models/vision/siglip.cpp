#include "models/vision/siglip.h"

#include <fmt/format.h>

#include <cmath>

#include "io/error.h"
#include "nn/attention.h"

namespace emend {
namespace {

// Of a whole picture's patches along one side: how many boundaries 1/side, 2/side, ... each patch's
// place reaches, in float32, as transformers counts. Rounding may put one below its own number.
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
    const auto layer = fmt::format("{}encoder.layers.{}.", path, i);
    Block b;
    b.norm1 = builder.norm(layer + "layer_norm1", width, config.eps);
    b.q = builder.linear(layer + "self_attn.q_proj", width, width);
    b.k = builder.linear(layer + "self_attn.k_proj", width, width);
    b.v = builder.linear(layer + "self_attn.v_proj", width, width);
    b.out = builder.linear(layer + "self_attn.out_proj", width, width);
    b.norm2 = builder.norm(layer + "layer_norm2", width, config.eps);
    b.fc1 = builder.linear(layer + "mlp.fc1", width, config.intermediate);
    b.fc2 = builder.linear(layer + "mlp.fc2", config.intermediate, width);
    blocks_.push_back(std::move(b));
  }
  norm_ = builder.norm(path + "post_layernorm", width, config.eps);
}

at::Tensor Siglip::embed(const at::Tensor& pixels) const {
  const int64_t size = config_.image_size, patch = config_.patch_size, side = config_.grid();
  if (pixels.dim() != 4 || pixels.size(1) != 3 || pixels.size(2) / patch != side ||
      pixels.size(3) / patch != side)
    throw Error("models::vision", fmt::format("pixels must be (N, 3, {}, {})", size, size),
                "preprocessor_config.json must make pictures of the size that config.json says");
  const auto patches =
      at::conv2d(pixels.to(patch_weight_.options()), patch_weight_, patch_bias_, {patch, patch});
  return patches.flatten(2).transpose(1, 2) + position_embedding_.index_select(0, positions_);
}

at::Tensor Siglip::block(size_t index, const at::Tensor& x, const Attachments& attachments) const {
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
