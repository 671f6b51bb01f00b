#pragma once

#include "tests/tiny_llava.h"

// A tiny ResNetLlama folder with random weights: a grid of 2 x 2 image tokens.
namespace emend::testing {

inline nlohmann::json tiny_resnet_llama_config() {
  auto text = tiny_llama_config();
  text.erase("architectures");
  return {{"architectures", {"ResNetLlamaForConditionalGeneration"}},
          {"model_type", "resnet_llama"},
          {"projector_hidden_size", 24},
          {"text_config", text},
          {"vision_config",
           {{"model_type", "resnet"},
            {"downsample_in_bottleneck", true},
            {"embedding_size", 8},
            {"hidden_sizes", {16, 24}},
            {"depths", {1, 2}},
            {"image_size", 16}}}};
}

inline void write_tiny_resnet_llama(const std::string& folder, uint64_t seed = 0) {
  write_tiny_model(folder, tiny_resnet_llama_config(), seed);
  write_text(folder + "/tokenizer.json", tiny_tokenizer().dump());
  write_text(folder + "/preprocessor_config.json",
             nlohmann::json{{"image_processor_type", "ResNetLlamaImageProcessor"},
                            {"size", {{"height", 16}, {"width", 16}}}}
                 .dump());
}

}  // namespace emend::testing
