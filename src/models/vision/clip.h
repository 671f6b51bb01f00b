#pragma once

#include <string>
#include <vector>

#include "models/config/llava_config.h"
#include "models/core/builder.h"
#include "models/vision/pre_norm_block.h"

namespace emend {

// CLIP's vision transformer: patches and a class token, a norm, and pre-norm blocks.
class Clip {
 public:
  // Only the first `run` blocks run. The other blocks and the norm after them are required, but not
  // used. Sites of block i belong to the i-th stage after `builder.stage`. `path` ends with a dot.
  Clip(const ClipVisionConfig& config, int64_t run, Builder builder, const std::string& path);

  // pixels: (N, 3, image_size, image_size) -> (N, 1 + patches, D), after the norm.
  at::Tensor embed(const at::Tensor& pixels) const;
  // (N, P, D) -> (N, P, D)
  at::Tensor block(size_t index, const at::Tensor& x, const Attachments& attachments) const {
    return blocks_[index](x, attachments);
  }

 private:
  ClipVisionConfig config_;
  at::Tensor class_embedding_;     // (D)
  at::Tensor patch_weight_;        // (D, 3, patch, patch)
  at::Tensor position_embedding_;  // (1 + grid^2, D)
  LayerNorm pre_norm_;
  std::vector<PreNormBlock> blocks_;
};

}  // namespace emend
