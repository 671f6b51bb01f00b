#pragma once

#include <string>
#include <vector>

#include "models/config/llava_config.h"
#include "models/core/loading/builder.h"
#include "models/vision/pre_norm_block.h"

namespace emend {

// CLIP's vision transformer: patches and a class token, a norm, and pre-norm blocks. SigLIP's has
// neither the class token nor the norm.
class Clip {
 public:
  // Only the first `run` blocks run. The other blocks and the norm after them are required, but not
  // used. Sites of block i belong to the i-th stage after `builder.stage`. `path` ends with a dot.
  Clip(const ClipVisionConfig& config, int64_t run, Builder builder, const std::string& path);

  // pixels: (N, 3, image_size, image_size) -> (N, positions, D), after the norm.
  at::Tensor embed(const at::Tensor& pixels) const;
  // (N, P, D) -> (N, P, D); for `tile`, see PreNormBlock.
  at::Tensor block(size_t index, const at::Tensor& x, const Attachments& attachments,
                   int64_t tile = 0) const {
    return blocks_[index](x, attachments, tile);
  }

 private:
  ClipVisionConfig config_;
  at::Tensor class_embedding_;     // (D); undefined: SigLIP
  at::Tensor patch_weight_;        // (D, 3, patch, patch)
  at::Tensor patch_bias_;          // (D) of SigLIP
  at::Tensor position_embedding_;  // (positions, D)
  LayerNorm pre_norm_;
  std::vector<PreNormBlock> blocks_;
};

}  // namespace emend
