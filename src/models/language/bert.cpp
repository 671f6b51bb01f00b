#include "models/language/bert.h"

#include <fmt/format.h>

#include <cmath>

#include "io/error.h"
#include "models/config/json_fields.h"
#include "nn/attention.h"

namespace emend {
namespace {

constexpr int64_t kMaxBertSize = 1 << 20;

// Names of a layer's modules in the two architectures.
struct Names {
  const char *layer, *query, *key, *value, *dense, *attention_norm, *intermediate, *output, *norm;
};
constexpr Names kBert = {
    "encoder.layer.{}.",    "attention.self.query",   "attention.self.key",
    "attention.self.value", "attention.output.dense", "attention.output.LayerNorm",
    "intermediate.dense",   "output.dense",           "output.LayerNorm"};
constexpr Names kDistilBert = {
    "transformer.layer.{}.", "attention.q_lin", "attention.k_lin", "attention.v_lin",
    "attention.out_lin",     "sa_layer_norm",   "ffn.lin1",        "ffn.lin2",
    "output_layer_norm"};

bool replace_ending(std::string& text, const std::string& ending, const char* by) {
  if (!text.ends_with(ending)) return false;
  text.replace(text.size() - ending.size(), ending.size(), by);
  return true;
}

}  // namespace

BertConfig BertConfig::load(const std::string& file) {
  const auto json = read_json_object(file);
  const JsonFields fields(file, json);
  BertConfig config;
  config.distilled = json.value("model_type", nlohmann::json()) == "distilbert";
  if (!config.distilled && json.value("model_type", nlohmann::json()) != "bert")
    throw Error("models::config",
                fmt::format("{}.model_type is {}", file,
                            json.value("model_type", nlohmann::json()).dump().substr(0, 60)),
                "`bert` and `distilbert` are implemented");
  const auto count = [&](const char* bert, const char* distilled, int64_t absent,
                         int64_t most = kMaxBertSize) {
    return fields.integer(config.distilled ? distilled : bert, absent, 1, most);
  };
  config.vocabulary = fields.integer("vocab_size", config.vocabulary, 1, int64_t{1} << 31);
  config.max_positions = fields.integer("max_position_embeddings", 512, 1, kMaxBertSize);
  config.hidden = count("hidden_size", "dim", config.hidden);
  config.layers = count("num_hidden_layers", "n_layers", config.distilled ? 6 : 12, 1000);
  config.heads = count("num_attention_heads", "n_heads", config.heads);
  config.intermediate = count("intermediate_size", "hidden_dim", config.intermediate);
  config.activation = fields.activation(config.distilled ? "activation" : "hidden_act", "gelu");
  if (config.distilled) {
    config.types = 0;
  } else {
    config.types = fields.integer("type_vocab_size", config.types, 1, kMaxBertSize);
    config.eps = fields.number("layer_norm_eps", config.eps, 0, 1);
    fields.expect("position_embedding_type", "absolute");
    for (const char* flag : {"is_decoder", "add_cross_attention"}) fields.expect_flag(flag, false);
  }
  if (config.hidden % config.heads != 0)
    throw Error("models::config",
                fmt::format("{}: the hidden size {} is not a multiple of the number of heads {}",
                            file, config.hidden, config.heads),
                "correct the file");
  return config;
}

std::string BertConfig::canonical() const {
  return fmt::format("{} {} {} {} {} {} {} {} {} {:.17g}", distilled ? "distilbert" : "bert",
                     vocabulary, max_positions, types, hidden, layers, heads, intermediate,
                     static_cast<int>(activation), eps);
}

Bert::Bert(const BertConfig& config, const Builder& builder) : config_(config) {
  const auto width = config.hidden, inner = config.intermediate;
  words_ = builder.embedding("embeddings.word_embeddings", config.vocabulary, width);
  positions_ = builder.embedding("embeddings.position_embeddings", config.max_positions, width);
  if (config.types > 0)
    types_ = builder.embedding("embeddings.token_type_embeddings", config.types, width);
  norm_ = builder.norm("embeddings.LayerNorm", width, config.eps);
  const auto& names = config.distilled ? kDistilBert : kBert;
  for (int64_t i = 0; i < config.layers; ++i) {
    const auto path = fmt::format(fmt::runtime(names.layer), i);
    Layer layer;
    layer.query = builder.linear(path + names.query, width, width);
    layer.key = builder.linear(path + names.key, width, width);
    layer.value = builder.linear(path + names.value, width, width);
    layer.dense = builder.linear(path + names.dense, width, width);
    layer.attention_norm = builder.norm(path + names.attention_norm, width, config.eps);
    layer.intermediate = builder.linear(path + names.intermediate, width, inner);
    layer.output = builder.linear(path + names.output, inner, width);
    layer.norm = builder.norm(path + names.norm, width, config.eps);
    layers_.push_back(std::move(layer));
  }
}

at::Tensor Bert::run(const Layer& layer, const at::Tensor& x) const {
  static const Attachments kNone;
  const auto heads = [&](const Linear& linear) {
    return split_heads(linear(x, kNone), config_.heads);
  };
  const auto mixed = attention(heads(layer.query), heads(layer.key), heads(layer.value), {},
                               1 / std::sqrt(static_cast<double>(config_.hidden / config_.heads)));
  const auto h = layer.attention_norm(layer.dense(merge_heads(mixed), kNone) + x);
  const auto inner = activate(layer.intermediate(h, kNone), config_.activation);
  return layer.norm(layer.output(inner, kNone) + h);
}

at::Tensor Bert::operator()(const at::Tensor& ids) const {
  auto x = words_(ids) + positions_.weight.narrow(0, 0, ids.size(0));
  if (config_.types > 0) x = x + types_.weight[0];
  x = norm_(x).unsqueeze(0);
  for (const auto& layer : layers_) x = run(layer, x);
  return x.squeeze(0);
}

std::string Bert::tensor_name(const std::string& stored) {
  auto name = stored;
  for (const std::string prefix : {"bert.", "distilbert."})
    if (name.starts_with(prefix)) name.erase(0, prefix.size());
  // Used only in pretraining.
  for (const char* unread :
       {"pooler.", "cls.", "vocab_transform.", "vocab_layer_norm.", "vocab_projector."})
    if (name.starts_with(unread)) return {};
  // Names of the first releases.
  if (!replace_ending(name, "LayerNorm.gamma", "LayerNorm.weight"))
    replace_ending(name, "LayerNorm.beta", "LayerNorm.bias");
  return name;
}

}  // namespace emend
