#include "models/vision/pre_norm_block.h"

#include <cmath>

#include "nn/attention.h"

namespace emend {

PreNormBlock::PreNormBlock(const VisionTransformerConfig& config, const Builder& builder,
                           const std::string& path)
    : heads_(config.heads),
      scale_(1 / std::sqrt(static_cast<double>(config.hidden / config.heads))),
      activation_(config.activation) {
  const int64_t width = config.hidden;
  norm1_ = builder.norm(path + "layer_norm1", width, config.eps);
  q_ = builder.linear(path + "self_attn.q_proj", width, width);
  k_ = builder.linear(path + "self_attn.k_proj", width, width);
  v_ = builder.linear(path + "self_attn.v_proj", width, width);
  out_ = builder.linear(path + "self_attn.out_proj", width, width);
  norm2_ = builder.norm(path + "layer_norm2", width, config.eps);
  fc1_ = builder.linear(path + "mlp.fc1", width, config.intermediate);
  fc2_ = builder.linear(path + "mlp.fc2", config.intermediate, width);
}

at::Tensor PreNormBlock::operator()(const at::Tensor& x, const Attachments& attachments,
                                    int64_t tile) const {
  const auto in = norm1_(x);
  const auto heads = [&](const at::Tensor& part) {
    return split_heads(tile > 0 ? part.view({-1, tile, part.size(-1)}) : part, heads_);
  };
  const auto mixed = merge_heads(attention(heads(q_(in, attachments)), heads(k_(in, attachments)),
                                           heads(v_(in, attachments)), {}, scale_));
  const auto h = x + out_(tile > 0 ? mixed.view(x.sizes()) : mixed, attachments);
  const auto inner = activate(fc1_(norm2_(h), attachments), activation_);
  return h + fc2_(inner, attachments);
}

}  // namespace emend
