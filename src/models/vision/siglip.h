#pragma once

#include <string>
#include <vector>

#include "models/config/smolvlm_config.h"
#include "models/core/loading/builder.h"
#include "models/vision/pre_norm_block.h"

namespace emend {

// SigLIP's vision transformer as in Idefics3 and SmolVLM: patches, pre-norm blocks, a norm.
class Siglip {
 public:
  // Sites of block i belong to the i-th stage after `builder.stage`. `path` ends with a dot.
  Siglip(const SiglipConfig& config, Builder builder, const std::string& path);

  // pixels: (N, 3, H, W) of image_size, except for a remainder smaller than a patch -> (N, P, D)
  at::Tensor embed(const at::Tensor& pixels) const;
  // (N, P, D) -> (N, P, D)
  at::Tensor block(size_t index, const at::Tensor& x, const Attachments& attachments) const {
    return blocks_[index](x, attachments);
  }
  at::Tensor norm(const at::Tensor& x) const { return norm_(x); }

 private:
  SiglipConfig config_;
  at::Tensor patch_weight_;        // (D, 3, patch, patch)
  at::Tensor patch_bias_;          // (D)
  at::Tensor position_embedding_;  // (P, D)
  at::Tensor positions_;           // (P) int64: the position embedding of each patch
  std::vector<PreNormBlock> blocks_;
  LayerNorm norm_;
};

}  // namespace emend
