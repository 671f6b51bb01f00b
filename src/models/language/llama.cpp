#include "models/language/llama.h"

#include <fmt/format.h>

#include <cmath>

#include "nn/attention.h"

namespace emend {

Llama::Llama(const LlamaConfig& config, Builder builder, const std::string& path)
    : Llama(config, builder, path + "model.", path + "lm_head") {}

Llama::Llama(const LlamaConfig& config, Builder builder, const std::string& body,
             const std::string& head)
    : config_(config), body_(body), rotary_(config.rotary, builder.weights.device()) {
  const int64_t width = config.hidden;
  const int64_t heads = config.heads * config.head_width;
  const int64_t shared = config.key_value_heads * config.head_width;
  tokens_ = builder.embedding(body + "embed_tokens", config.vocabulary, width);
  for (int64_t i = 0; i < config.layers; ++i) {
    ++builder.stage;
    const auto layer = fmt::format("{}layers.{}.", body, i);
    const bool bias = config.qkv_bias, ffn_bias = config.mlp_bias;
    Block b;
    b.attention_norm = builder.rms_norm(layer + "input_layernorm", width, config.eps);
    b.q = builder.linear(layer + "self_attn.q_proj", width, heads, bias);
    b.k = builder.linear(layer + "self_attn.k_proj", width, shared, bias);
    b.v = builder.linear(layer + "self_attn.v_proj", width, shared, bias);
    b.out = builder.linear(layer + "self_attn.o_proj", heads, width, config.out_bias);
    if (config.qk_norm) {
      b.q_norm = builder.rms_norm(layer + "self_attn.q_norm", config.head_width, config.eps);
      b.k_norm = builder.rms_norm(layer + "self_attn.k_norm", config.head_width, config.eps);
    }
    b.ffn_norm = builder.rms_norm(layer + "post_attention_layernorm", width, config.eps);
    b.gate = builder.linear(layer + "mlp.gate_proj", width, config.intermediate, ffn_bias);
    b.up = builder.linear(layer + "mlp.up_proj", width, config.intermediate, ffn_bias);
    b.down = builder.linear(layer + "mlp.down_proj", config.intermediate, width, ffn_bias);
    blocks_.push_back(std::move(b));
  }
  ++builder.stage;
  norm_ = builder.rms_norm(body + "norm", width, config.eps);
  head_ = config.tied ? tied_head(builder, head, tokens_)
                      : builder.linear(head, width, config.vocabulary, false);
}

at::Tensor Llama::embed(const Pass& pass, const at::Tensor& features, const Attachments&) const {
  const auto x = tokens_(pass.ids.clamp_min(0));
  return features.defined() ? fill_slots(x, features, pass) : x;
}

at::Tensor Llama::block(size_t index, const Pass& pass, const Attachments& attachments) const {
  const auto& b = blocks_[index];
  const auto& x = pass.hidden;
  const auto in = b.attention_norm(x);
  const auto rotate = pass.rotary_positions.defined()
                          ? rotary_.axial_rotation(pass.rotary_positions, x.scalar_type())
                          : rotary_.rotation(pass.positions, x.scalar_type());
  auto q = split_heads(b.q(in, attachments), config_.heads);
  auto k = split_heads(b.k(in, attachments), config_.key_value_heads);
  if (config_.qk_norm) q = b.q_norm(q), k = b.k_norm(k);
  q = rotate(q), k = rotate(k);
  auto v = split_heads(b.v(in, attachments), config_.key_value_heads);
  if (pass.cache) extend_cache(*pass.cache, index, k, v);
  const double scale = 1 / std::sqrt(static_cast<double>(config_.head_width));
  const auto mixed = grouped_attention(q, k, v, pass.attention, scale);
  const auto h = x + b.out(merge_heads(mixed), attachments);

  const auto wide = b.ffn_norm(h);
  const auto gate = activate(b.gate(wide, attachments), config_.activation);
  return h + b.down(gate * b.up(wide, attachments), attachments);
}

at::Tensor Llama::head(const at::Tensor& x, const Attachments& attachments) const {
  return head_(norm_(x), attachments);
}

std::string Llama::default_sites() const {
  if (blocks_.empty()) return {};
  return fmt::format("{}layers.{}.mlp.{{gate,up,down}}_proj", body_, blocks_.size() - 1);
}

}  // namespace emend
