#pragma once

#include <vector>

#include "models/config/blip2_config.h"
#include "models/core/loading/builder.h"
#include "models/core/pass.h"

namespace emend {

// The Q-Former: learned queries with self-attention and cross-attention to the picture features,
// and a projection to the hidden size of the language model.
class QFormer {
 public:
  // Sites of layer i belong to stage `builder.stage + 1 + i`, and that of the projection to the
  // next one. `vision` and `language` are the sizes of the picture features and of the projection's
  // outputs.
  QFormer(const QFormerConfig& config, int64_t queries, int64_t vision, int64_t language,
          Builder builder);

  // -> (N, Q, D): the queries for N pictures.
  at::Tensor embed(int64_t images) const;
  // x: (N, Q, D), features: (N, P, D of vision) -> (N, Q, D)
  at::Tensor layer(size_t index, const at::Tensor& x, const at::Tensor& features,
                   const Attachments& attachments) const;
  // (N, Q, D) -> (N, Q, D of language)
  at::Tensor project(const at::Tensor& x, const Attachments& attachments) const;

  // The stages: embed, the layers, project. The first stage takes the picture features from
  // pass.hidden.
  size_t stages() const { return layers_.size() + 2; }
  void run_stage(size_t index, Pass& pass, const Attachments& attachments) const;

 private:
  struct Attention {
    Linear query, key, value, dense;
    LayerNorm norm;
  };
  struct Layer {
    Attention self, cross;
    bool has_cross_attention = false;
    Linear intermediate, output;
    LayerNorm norm;
  };

  Attention make_attention(const Builder& builder, const std::string& path, int64_t source) const;
  at::Tensor attend(const Attention& a, const at::Tensor& x, const at::Tensor& source,
                    const Attachments& attachments) const;

  QFormerConfig config_;
  at::Tensor queries_;  // (1, Q, D)
  LayerNorm norm_;
  std::vector<Layer> layers_;
  Linear projection_;
};

}  // namespace emend
