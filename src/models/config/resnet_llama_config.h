#pragma once

#include <string>
#include <vector>

#include "models/config/llama_config.h"

namespace emend {

// The fields of transformers' ResNetConfig. Only bottleneck layers with the stride in their first
// convolution are implemented (`downsample_in_bottleneck`), as in Keras and in He et al. 2016.
struct ResNetConfig {
  int64_t embedding = 64;                             // embedding_size: channels after the stem
  std::vector<int64_t> widths{256, 512, 1024, 2048};  // hidden_sizes: channels after each stage
  std::vector<int64_t> depths{3, 4, 6, 3};            // blocks of each stage
  int64_t image_size = 224;                           // emend's own field; ResNetConfig has none
  Activation activation = Activation::relu;

  int64_t blocks() const;
  // The side of the grid after the stem, in positions.
  int64_t stem_side() const;
  // The side of the grid after the last stage.
  int64_t grid() const;

  // Throws emend::Error, which names field and value, if a field is malformed or not implemented.
  static ResNetConfig parse(const JsonFields& json);
  // All fields as text; equal for equivalent configurations.
  std::string canonical() const;
};

// The side of a grid after a layer with stride 2 and "same" padding.
inline int64_t half_side(int64_t side) { return (side + 1) / 2; }

// ResNetLlamaForConditionalGeneration, emend's own folder layout (docs/models.md): a ResNet, two
// linear layers, and a Llama.
struct ResNetLlamaConfig {
  ResNetConfig vision;
  LlamaConfig text;
  int64_t projector_hidden = 0;  // projector_hidden_size; the default is the Llama's hidden size
  Activation projector_activation = Activation::gelu;  // projector_hidden_act

  int64_t num_image_tokens() const { return vision.grid() * vision.grid(); }
  // The functions are described at ResNetConfig.
  static ResNetLlamaConfig parse(const nlohmann::json& json);
  std::string canonical() const;
};

}  // namespace emend
