#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

namespace emend {

// Embeds texts with a Hugging Face folder of BERT or DistilBERT. In a folder of
// sentence-transformers, modules.json sets pooling and normalization.
class SentenceEncoder {
 public:
  enum class Pooling { mean, cls };  // mean of the hidden states, or the first one

  // `pooling` is the default for folders that do not set it. Throws emend::Error if a file or
  // tensor is missing, unexpected or has the wrong shape, or if a setting is not implemented.
  static std::shared_ptr<const SentenceEncoder> load(const std::string& folder, Pooling pooling,
                                                     at::Device device = at::kCPU);
  virtual ~SentenceEncoder() = default;

  // (N, D) float32 on the CPU, without gradients. Texts are embedded one by one, so that bits do
  // not depend on the other texts. A text that is too long is truncated at the end.
  virtual at::Tensor embed(const std::vector<std::string>& texts) const = 0;
  virtual int64_t width() const = 0;  // D
  virtual const std::string& folder() const = 0;
  // XXH3-128 of everything that embeddings depend on: config, weights, tokens, pooling, length.
  virtual const std::string& fingerprint() const = 0;
};

}  // namespace emend
