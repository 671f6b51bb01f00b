#pragma once

#include <vector>

#include "models/config/blip2_config.h"
#include "models/core/loading/builder.h"
#include "models/core/pass.h"

namespace emend {

// BLIP-2's vision transformer: patches and a class token, pre-norm blocks, and a final norm.
class EvaVit {
 public:
  EvaVit(const Blip2VisionConfig& config, Builder builder);

  // pixels: (N, 3, H, W) -> (N, 1 + patches, D). For sizes other than the trained one, position
  // embeddings are interpolated (interpolate_pos_encoding in transformers).
  at::Tensor embed(const at::Tensor& pixels) const;
  // (N, P, D) -> (N, P, D)
  at::Tensor block(size_t index, const at::Tensor& x, const Attachments& attachments) const;
  at::Tensor norm(const at::Tensor& x) const { return post_norm_(x); }

  // The stages: embed, the blocks, norm. The first stage takes pass.pixels.
  size_t stages() const { return blocks_.size() + 2; }
  void run_stage(size_t index, Pass& pass, const Attachments& attachments) const;

 private:
  struct Block {
    LayerNorm norm1, norm2;
    Linear qkv, projection, fc1, fc2;
  };

  at::Tensor positions(int64_t height, int64_t width) const;

  Blip2VisionConfig config_;
  at::Tensor class_embedding_;     // (1, 1, D)
  at::Tensor position_embedding_;  // (1, 1 + grid^2, D)
  at::Tensor patch_weight_;        // (D, 3, patch, patch)
  at::Tensor patch_bias_;          // (D)
  std::vector<Block> blocks_;
  LayerNorm post_norm_;
};

}  // namespace emend
