#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "models/core/builder.h"
#include "nn/activation.h"

namespace emend {

// Of a config.json whose model_type is bert or distilbert.
struct BertConfig {
  bool distilled = false;  // DistilBERT: no token types, and other names
  int64_t vocabulary = 30522, max_positions = 512, types = 2;
  int64_t hidden = 768, layers = 12, heads = 12, intermediate = 3072;
  Activation activation = Activation::gelu;
  double eps = 1e-12;

  // Throws emend::Error for another model_type, and for what is not implemented.
  static BertConfig parse(const nlohmann::json& config);
  static BertConfig load(const std::string& file);
  // The same for configs that mean the same.
  std::string canonical() const;
};

// BERT's encoder (Devlin et al., arXiv 1810.04805), and DistilBERT's (arXiv 1910.01108), which is
// the same but for token types: embeddings, then layers that look both ways, norms behind them.
class Bert {
 public:
  Bert(const BertConfig& config, const Builder& builder);

  // ids: (T) int64, all real -> (T, D), the last layer's states.
  at::Tensor operator()(const at::Tensor& ids) const;

  // What a stored tensor is called here; empty for heads and the pooler, which are not read.
  static std::string tensor_name(const std::string& stored);

 private:
  struct Layer {
    Linear query, key, value, dense;
    LayerNorm attention_norm;
    Linear intermediate, output;
    LayerNorm norm;
  };
  at::Tensor run(const Layer& layer, const at::Tensor& x) const;

  BertConfig config_;
  Embedding words_, positions_, types_;
  LayerNorm norm_;
  std::vector<Layer> layers_;
};

}  // namespace emend
