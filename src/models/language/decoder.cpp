#include "models/language/decoder.h"

#include <algorithm>

#include "io/error.h"
#include "nn/attention.h"

namespace emend {

void run_language_stage(const Decoder& decoder, size_t index, Pass& pass,
                        const Attachments& attachments) {
  const auto blocks = static_cast<size_t>(decoder.blocks());
  if (index == 0) {
    pass.hidden = decoder.embed(pass, pass.hidden, attachments);
    pass.picture_lengths.clear();
    pass.features = at::Tensor();
    pass.attention = attention_bias(attention_mask(pass.mask, pass.segments, pass.ids.size(1)),
                                    pass.hidden.scalar_type());
  } else if (index <= blocks) {
    pass.hidden = decoder.block(index - 1, pass, attachments);
  } else if (!pass.logit_positions.defined()) {
    pass.hidden = decoder.head(pass.hidden, attachments);
  } else {
    // Rows with one position, so that interventions get their usual shape (R, T, C).
    auto chosen = pass.hidden.flatten(0, 1).index_select(0, pass.logit_positions).unsqueeze(1);
    pass.hidden = decoder.head(chosen, attachments).squeeze(1);
  }
}

at::Tensor fill_slots(const at::Tensor& x, const at::Tensor& features, const Pass& pass) {
  if (!pass.image_positions.defined() || pass.image_positions.numel() == 0) return x;
  auto chosen = features.flatten(0, 1).index_select(0, pass.image_source);
  return x.flatten(0, 1)
      .index_copy(0, pass.image_positions, chosen.to(x.scalar_type()))
      .view(x.sizes());
}

void extend_cache(KvCache& cache, size_t block, at::Tensor& keys, at::Tensor& values) {
  const auto size = std::max(cache.keys.size(), block + 1);
  cache.keys.resize(size);
  cache.values.resize(size);
  if (cache.keys[block].defined()) {
    keys = at::cat({cache.keys[block], keys}, 2);
    values = at::cat({cache.values[block], values}, 2);
  }
  cache.keys[block] = keys;
  cache.values[block] = values;
}

Linear tied_head(const Builder& builder, const std::string& path, const Embedding& tokens) {
  auto head = builder.tied(path, tokens.weight);
  // Older releases save the tied head as a copy.
  const auto name = path + ".weight";
  if (!builder.weights.contains(name)) return head;
  const auto second = builder.weights.take_matrix(name, tokens.weight.sizes());
  if (second.data_ptr() != tokens.weight.data_ptr() && !at::equal(second, tokens.weight))
    throw Error("models::language", name + " differs from embed_tokens, but config.json ties them",
                "set tie_word_embeddings to false if the head is not tied");
  return head;
}

at::Tensor attention_mask(const at::Tensor& mask, const at::Tensor& segments, int64_t length) {
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
