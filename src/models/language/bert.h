#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/core/loading/builder.h"
#include "nn/activation.h"

namespace emend {

// A config.json with model_type bert or distilbert.
struct BertConfig {
  bool distilled = false;  // DistilBERT: no token types, and other names
  int64_t vocabulary = 30522, max_positions = 512, types = 2;
  int64_t hidden = 768, layers = 12, heads = 12, intermediate = 3072;
  Activation activation = Activation::gelu;
  double eps = 1e-12;

  // Reads a config.json. Throws emend::Error, which names the file, if model_type is another one,
  // or a field is not implemented.
  static BertConfig load(const std::string& file);
  // All fields as text; equal for equivalent configurations.
  std::string canonical() const;
};

// The encoder of BERT (Devlin et al., arXiv 1810.04805), and that of DistilBERT (arXiv 1910.01108),
// which has no token types: embeddings, then layers with bidirectional attention and post-norm.
class Bert {
 public:
  Bert(const BertConfig& config, const Builder& builder);

  // ids: (T) int64 without padding -> (T, D), the last hidden states.
  at::Tensor operator()(const at::Tensor& ids) const;

  // Converts the name of a stored tensor; empty for heads and the pooler, which are not used.
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
