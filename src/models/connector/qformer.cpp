#include "models/connector/qformer.h"

#include <fmt/format.h>

#include <cmath>

#include "nn/attention.h"

namespace emend {

QFormer::QFormer(const QFormerConfig& config, int64_t queries, int64_t vision, int64_t language,
                 Builder builder)
    : config_(config) {
  const int64_t width = config_.hidden;
  queries_ = builder.parameter("query_tokens", {1, queries, width});
  norm_ = builder.norm("qformer.layernorm", width, config_.eps);
  for (int64_t i = 0; i < config_.layers; ++i) {
    ++builder.stage;
    const auto path = fmt::format("qformer.encoder.layer.{}.", i);
    Layer layer;
    layer.self = make_attention(builder, path + "attention.", width);
    layer.has_cross_attention = i % config_.cross_attention_frequency == 0;
    if (layer.has_cross_attention)
      layer.cross = make_attention(builder, path + "crossattention.", vision);
    layer.intermediate =
        builder.linear(path + "intermediate_query.dense", width, config_.intermediate);
    layer.output = builder.linear(path + "output_query.dense", config_.intermediate, width);
    layer.norm = builder.norm(path + "output_query.LayerNorm", width, config_.eps);
    layers_.push_back(std::move(layer));
  }
  ++builder.stage;
  projection_ = builder.linear("language_projection", width, language);
}

QFormer::Attention QFormer::make_attention(const Builder& builder, const std::string& path,
                                           int64_t source) const {
  const int64_t width = config_.hidden;
  Attention a;
  a.query = builder.linear(path + "attention.query", width, width);
  a.key = builder.linear(path + "attention.key", source, width);
  a.value = builder.linear(path + "attention.value", source, width);
  a.dense = builder.linear(path + "output.dense", width, width);
  a.norm = builder.norm(path + "output.LayerNorm", width, config_.eps);
  return a;
}

at::Tensor QFormer::embed(int64_t images) const {
  return norm_(queries_).expand({images, queries_.size(1), queries_.size(2)});
}

at::Tensor QFormer::attend(const Attention& a, const at::Tensor& x, const at::Tensor& source,
                           const Attachments& attachments) const {
  const int64_t heads = config_.heads;
  auto mixed = attention(split_heads(a.query(x, attachments), heads),
                         split_heads(a.key(source, attachments), heads),
                         split_heads(a.value(source, attachments), heads), {},
                         1 / std::sqrt(static_cast<double>(config_.hidden / heads)));
  return a.norm(a.dense(merge_heads(mixed), attachments) + x);
}

at::Tensor QFormer::layer(size_t index, const at::Tensor& x, const at::Tensor& features,
                          const Attachments& attachments) const {
  const auto& layer = layers_[index];
  auto h = attend(layer.self, x, x, attachments);
  if (layer.has_cross_attention) h = attend(layer.cross, h, features, attachments);
  auto inner = activate(layer.intermediate(h, attachments), config_.activation);
  return layer.norm(layer.output(inner, attachments) + h);
}

at::Tensor QFormer::project(const at::Tensor& x, const Attachments& attachments) const {
  return projection_(x, attachments);
}

void QFormer::run_stage(size_t index, Pass& pass, const Attachments& attachments) const {
  if (index == 0) {
    pass.features = pass.hidden;
    pass.hidden = embed(pass.features.size(0));
  } else if (index + 1 < stages()) {
    pass.hidden = layer(index - 1, pass.hidden, pass.features, attachments);
  } else {
    pass.hidden = project(pass.hidden, attachments);
    pass.features = at::Tensor();
  }
}

}  // namespace emend
