#pragma once

#include <string>

#include "models/config/vision_config.h"
#include "models/core/loading/builder.h"

namespace emend {

// A block of CLIP's and SigLIP's transformers: attention and FFN, each after a norm.
class PreNormBlock {
 public:
  // `path` ends with a dot.
  PreNormBlock(const VisionTransformerConfig& config, const Builder& builder,
               const std::string& path);

  // (N, P, D) -> (N, P, D). With `tile`, a picture has several tiles of so many positions, which do
  // not attend to each other; P is a multiple of it.
  at::Tensor operator()(const at::Tensor& x, const Attachments& attachments,
                        int64_t tile = 0) const;

 private:
  int64_t heads_;
  double scale_;
  Activation activation_;
  LayerNorm norm1_, norm2_;
  Linear q_, k_, v_, out_, fc1_, fc2_;
};

}  // namespace emend
