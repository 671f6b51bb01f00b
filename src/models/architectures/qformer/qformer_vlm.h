#pragma once

#include "models/connector/qformer.h"
#include "models/core/model.h"
#include "models/language/decoder.h"
#include "models/vision/eva_vit.h"

namespace emend {

// Models of BLIP-2's kind: EVA-ViT, a Q-Former with a projection, and any decoder. Immutable:
// several threads can run it at the same time with different passes.
class QFormerVlm : public Model {
 public:
  struct Parts {
    Blip2VisionConfig vision;
    QFormerConfig qformer;
    int64_t queries, language;  // `language`: the decoder's hidden size
    std::function<std::unique_ptr<Decoder>(const Builder&)> make_decoder;
  };

  // Takes every tensor from `weights`. Throws emend::Error if a tensor is missing, unexpected or
  // has the wrong shape.
  QFormerVlm(const Parts& parts, NameMap names, Weights& weights);

  std::string default_sites(Module module) const override;
  at::Tensor word_embeddings() const override { return decoder_->word_embeddings(); }
  int64_t num_image_tokens() const override { return queries_; }
  int64_t vocabulary() const override { return decoder_->vocabulary(); }
  int64_t max_positions() const override { return decoder_->max_positions(); }

 protected:
  void run_stage(size_t stage, Pass& pass, const Attachments& attachments) const override;

 private:
  int64_t queries_;
  size_t connector_, language_;  // the first stage of each module
  EvaVit vision_;
  QFormer qformer_;
  std::unique_ptr<Decoder> decoder_;
};

}  // namespace emend
