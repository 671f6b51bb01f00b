#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

namespace emend {

// Texts to vectors, by a Hugging Face folder of BERT or DistilBERT. Where the folder is one of
// sentence-transformers, its modules.json says how states become a vector, and to what length.
class SentenceEncoder {
 public:
  enum class Pooling { mean, cls };  // of a text's states: their mean, or the first one

  // `pooling`: what holds where the folder does not say. Throws emend::Error when a file or tensor
  // is missing, extra or misshapen, or one asks for something that is not implemented.
  static std::shared_ptr<const SentenceEncoder> load(const std::string& folder, Pooling pooling,
                                                     at::Device device = at::kCPU);
  virtual ~SentenceEncoder() = default;

  // (N, D) float32 on the CPU, without gradients. Text by text, so that one's bits do not depend on
  // the others; a text that is too long counts with its beginning.
  virtual at::Tensor embed(const std::vector<std::string>& texts) const = 0;
  virtual int64_t width() const = 0;  // D
  virtual const std::string& folder() const = 0;
  // XXH3-128 over all that embeddings depend on: config, weights, tokens, pooling, length.
  virtual const std::string& fingerprint() const = 0;
};

}  // namespace emend
