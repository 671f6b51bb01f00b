#pragma once

#include <string>
#include <vector>

#include "models/config/qwen_vl_config.h"
#include "models/core/loading/builder.h"
#include "models/vision/patch_grid.h"
#include "nn/rotary.h"

namespace emend {

// The vision tower and patch merger of Qwen2-VL, Qwen2.5-VL and Qwen3-VL, for pictures of any size.
// States of several pictures are padded: (N, P, D), with the patches in the order of PatchGrid.
class QwenVision {
 public:
  // Sites of block i belong to the i-th stage after `builder.stage`, and those of the mergers to
  // the stage after the blocks. `path` ends with a dot.
  QwenVision(const QwenVisionConfig& config, Builder builder, const std::string& path);

  // The grid of a preprocessed picture, (3, H, W). Throws emend::Error if its sides are no
  // multiples of the side of an image token.
  PatchGrid grid(const at::Tensor& picture) const;
  // The patches of the pass's pictures -> pass.hidden (N, P, D) and pass.picture_lengths.
  void embed(Pass& pass) const;
  // (N, P, D) -> (N, P, D)
  at::Tensor block(size_t index, const at::Tensor& x, const Pictures& pixels,
                   const Attachments& attachments) const;
  // (N, P, D), and the states after the blocks of DeepStack (N, P, L * D) -> (N, P / merge^2, (1 +
  // L) * H) in reading order: the image tokens, followed by the features for the first L decoder
  // blocks.
  at::Tensor merge(const at::Tensor& x, const at::Tensor& deepstack, const Pictures& pixels,
                   const Attachments& attachments) const;

 private:
  struct Norm {
    LayerNorm layer;
    RmsNorm rms;  // Qwen2.5-VL
    at::Tensor operator()(const at::Tensor& x) const {
      return rms.weight.defined() ? rms(x) : layer(x);
    }
  };
  struct Block {
    Norm norm1, norm2;
    Linear qkv, out;
    Linear gate, up, down;  // without a gate (Qwen2-VL, Qwen3-VL): up and down are fc1 and fc2
  };
  struct Merger {
    Norm norm;
    bool norm_after_merge = false;
    Linear fc1, fc2;
  };
  Norm norm(const Builder& builder, const std::string& path, int64_t width) const;
  Merger merger(const Builder& builder, const std::string& path, bool norm_after_merge) const;
  at::Tensor merged(const Merger& merger, const at::Tensor& x,
                    const Attachments& attachments) const;
  std::vector<PatchGrid> grids(const Pictures& pixels) const;
  at::Tensor position_embeddings(const PatchGrid& grid) const;  // (1, P, D) float32
  // The rotation of each patch by its row and column, (N, 1, P, d) float32.
  Rotation rotation(const std::vector<PatchGrid>& grids) const;

  QwenVisionConfig config_;
  at::Tensor patch_weight_;        // (D, 3, frames, patch, patch)
  at::Tensor patch_bias_;          // (D); Qwen3-VL
  at::Tensor position_embedding_;  // (side^2, D); Qwen3-VL
  at::Tensor frequencies_;         // (d / 4) float32
  std::vector<Block> blocks_;
  Merger merger_;
  std::vector<Merger> deepstack_;
};

}  // namespace emend
