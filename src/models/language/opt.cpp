#include "models/language/opt.h"

#include <fmt/format.h>

#include <cmath>

#include "nn/attention.h"

namespace emend {
namespace {

constexpr int64_t kPositionOffset = 2;  // the first two rows of OPT's position table are not used

}  // namespace

Opt::Opt(const OptConfig& config, Builder builder) : config_(config) {
  const int64_t width = config.hidden, narrow = config.embedding_width;
  const std::string path = "language_model.model.decoder.";
  tokens_ = builder.embedding(path + "embed_tokens", config.vocabulary, narrow);
  positions_ =
      builder.embedding(path + "embed_positions", config.max_positions + kPositionOffset, width);
  if (narrow != width) project_in_ = builder.linear(path + "project_in", narrow, width, false);
  for (int64_t i = 0; i < config.layers; ++i) {
    ++builder.stage;
    const auto layer = fmt::format("{}layers.{}.", path, i);
    Block b;
    b.attention_norm =
        builder.norm(layer + "self_attn_layer_norm", width, config.eps, config.norm_affine);
    b.q = builder.linear(layer + "self_attn.q_proj", width, width, config.bias);
    b.k = builder.linear(layer + "self_attn.k_proj", width, width, config.bias);
    b.v = builder.linear(layer + "self_attn.v_proj", width, width, config.bias);
    b.out = builder.linear(layer + "self_attn.out_proj", width, width, config.bias);
    b.ffn_norm = builder.norm(layer + "final_layer_norm", width, config.eps, config.norm_affine);
    b.fc1 = builder.linear(layer + "fc1", width, config.ffn, config.bias);
    b.fc2 = builder.linear(layer + "fc2", config.ffn, width, config.bias);
    blocks_.push_back(std::move(b));
  }
  ++builder.stage;
  if (config.norm_before && config.final_norm)
    final_norm_ = builder.norm(path + "final_layer_norm", width, config.eps, config.norm_affine);
  if (narrow != width) project_out_ = builder.linear(path + "project_out", width, narrow, false);

  const std::string head = "language_model.lm_head";
  head_ = config.tied ? tied_head(builder, head, tokens_)
                      : builder.linear(head, narrow, config.vocabulary, false);
}

at::Tensor Opt::embed(const Pass& pass, const at::Tensor& features,
                      const Attachments& attachments) const {
  auto x = tokens_(pass.ids.clamp_min(0));
  if (features.defined()) {
    // If embeddings are narrower than the hidden size, transformers fills the image tokens with the
    // first values of the flattened picture features.
    const int64_t images = features.size(0), queries = features.size(1), width = x.size(2);
    auto narrow = features.reshape({images, -1}).slice(1, 0, queries * width);
    x = fill_slots(x, narrow.reshape({images, queries, width}), pass);
  }
  if (project_in_.weight.defined()) x = project_in_(x, attachments);
  return x + positions_(pass.positions + kPositionOffset);
}

at::Tensor Opt::block(size_t index, const Pass& pass, const Attachments& attachments) const {
  const auto& b = blocks_[index];
  const auto& x = pass.hidden;
  const int64_t heads = config_.heads;
  const bool before = config_.norm_before;
  auto in = before ? b.attention_norm(x) : x;
  auto q = split_heads(b.q(in, attachments), heads);
  auto k = split_heads(b.k(in, attachments), heads);
  auto v = split_heads(b.v(in, attachments), heads);
  if (pass.cache) extend_cache(*pass.cache, index, k, v);
  auto mixed = attention(q, k, v, pass.attention,
                         1 / std::sqrt(static_cast<double>(config_.hidden / heads)));
  auto h = x + b.out(merge_heads(mixed), attachments);
  if (!before) h = b.attention_norm(h);
  auto inner = activate(b.fc1(before ? b.ffn_norm(h) : h, attachments), config_.activation);
  auto y = h + b.fc2(inner, attachments);
  return before ? y : b.ffn_norm(y);
}

std::string Opt::default_sites() const {
  if (blocks_.empty()) return {};
  return fmt::format("language_model.model.decoder.layers.{}.fc{{1,2}}", blocks_.size() - 1);
}

at::Tensor Opt::head(const at::Tensor& x, const Attachments& attachments) const {
  auto h = final_norm_.width > 0 ? final_norm_(x) : x;
  if (project_out_.weight.defined()) h = project_out_(h, attachments);
  return head_(h, attachments);
}

}  // namespace emend
