#include "models/language/opt.h"

#include <fmt/format.h>

#include <cmath>

#include "io/error.h"
#include "nn/attention.h"

namespace emend {
namespace {

constexpr int64_t kPositionOffset = 2;  // OPT's table begins with two rows that no position uses

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
  if (!config.tied) {
    head_ = builder.linear(head, narrow, config.vocabulary, false);
    return;
  }
  head_ = builder.tied(head, tokens_.weight);
  // Older releases save the tied head a second time.
  if (!builder.weights.contains(head + ".weight")) return;
  const auto second = builder.weights.take(head + ".weight", {config.vocabulary, narrow});
  if (second.data_ptr() != tokens_.weight.data_ptr() && !at::equal(second, tokens_.weight))
    throw Error("models::language",
                head + ".weight differs from embed_tokens, but config.json ties them",
                "set text_config.tie_word_embeddings to false if the head is its own");
}

at::Tensor Opt::embed(const Pass& pass, const at::Tensor& features,
                      const Attachments& attachments) const {
  const int64_t rows = pass.ids.size(0), length = pass.ids.size(1);
  auto x = tokens_(pass.ids.clamp_min(0));
  if (pass.slots.defined() && pass.slots.numel() > 0) {
    // Where embeddings are narrower than the stream, transformers fills the slots with the first
    // numbers of a picture's features, end to end.
    const int64_t images = features.size(0), queries = features.size(1), width = x.size(2);
    auto narrow = features.reshape({images, -1}).slice(1, 0, queries * width);
    auto chosen = narrow.reshape({images * queries, width}).index_select(0, pass.slot_source);
    x = x.flatten(0, 1).index_copy(0, pass.slots, chosen.to(x.scalar_type()));
    x = x.view({rows, length, width});
  }
  if (project_in_.weight.defined()) x = project_in_(x, attachments);
  return x + positions_(pass.positions + kPositionOffset);
}

at::Tensor Opt::block(size_t index, const at::Tensor& x, const at::Tensor& bias, KvCache* cache,
                      const Attachments& attachments) const {
  const auto& b = blocks_[index];
  const int64_t heads = config_.heads;
  const bool before = config_.norm_before;
  auto in = before ? b.attention_norm(x) : x;
  auto q = split_heads(b.q(in, attachments), heads);
  auto k = split_heads(b.k(in, attachments), heads);
  auto v = split_heads(b.v(in, attachments), heads);
  if (cache) {
    if (cache->keys.size() <= index) {
      cache->keys.resize(blocks_.size());
      cache->values.resize(blocks_.size());
    }
    if (cache->keys[index].defined()) {
      k = at::cat({cache->keys[index], k}, 2);
      v = at::cat({cache->values[index], v}, 2);
    }
    cache->keys[index] = k;
    cache->values[index] = v;
  }
  auto mixed = attention(q, k, v, bias, 1 / std::sqrt(static_cast<double>(config_.hidden / heads)));
  auto h = x + b.out(merge_heads(mixed), attachments);
  if (!before) h = b.attention_norm(h);
  auto inner = activate(b.fc1(before ? b.ffn_norm(h) : h, attachments), config_.activation);
  auto y = h + b.fc2(inner, attachments);
  return before ? y : b.ffn_norm(y);
}

at::Tensor Opt::head(const at::Tensor& x, const Attachments& attachments) const {
  auto h = final_norm_.width > 0 ? final_norm_(x) : x;
  if (project_out_.weight.defined()) h = project_out_(h, attachments);
  return head_(h, attachments);
}

at::Tensor may_look(const at::Tensor& mask, const at::Tensor& segments, int64_t length) {
  const int64_t all = mask.size(1);
  auto order = at::arange(all, mask.options().dtype(at::kLong));
  auto looks = order.slice(0, all - length).unsqueeze(1) >= order.unsqueeze(0);
  auto allowed = looks.unsqueeze(0).logical_and(mask.unsqueeze(1));
  if (segments.defined()) {
    auto seen = segments.unsqueeze(1);
    auto own = segments.slice(1, all - length).unsqueeze(2);
    allowed = allowed.logical_and((seen == 0).logical_or(seen == own));
  }
  return allowed.unsqueeze(1);
}

}  // namespace emend
