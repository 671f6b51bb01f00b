#pragma once

#include <string>
#include <vector>

#include "models/config/resnet_llama_config.h"
#include "models/core/loading/builder.h"

namespace emend {

// A ResNet of bottleneck layers [He et al. 2016] without batch norms, which are folded into the
// convolutions. States are channels-last: (N, P, C), with the P positions of a square grid row by
// row. A 1 x 1 convolution is therefore a linear layer, and a site.
//
// Tensors have the names of transformers' ResNetModel. Weights are channels-last, too: (out, in) of
// a 1 x 1 convolution, and (out, height, width, in) of the others.
class ResNet {
 public:
  // Sites of block i belong to the i-th stage after `builder.stage`. `path` ends with a dot.
  ResNet(const ResNetConfig& config, Builder builder, const std::string& path);

  // The stem. pixels: (N, 3, image_size, image_size) -> (N, P, C)
  at::Tensor embed(const at::Tensor& pixels) const;
  // (N, P, C) -> (N, P', C')
  at::Tensor block(size_t index, const at::Tensor& x, const Attachments& attachments) const;

 private:
  struct Block {
    int64_t side;     // of the grid of the input
    bool downsample;  // the first convolutions have stride 2
    bool has_projection;  // the shortcut is a convolution
    Linear reduce, expand, shortcut;
    at::Tensor weight, bias;  // 3 x 3: (C, 3, 3, C), (C)
  };

  ResNetConfig config_;
  at::Tensor stem_weight_, stem_bias_;  // (C, 7, 7, 3), (C)
  std::vector<Block> blocks_;
};

}  // namespace emend
