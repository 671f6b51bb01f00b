#pragma once

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "exports/gguf/gguf_writer.h"
#include "io/image/processor.h"
#include "models/config/llava_config.h"
#include "models/config/smolvlm_config.h"

namespace emend {

// The config.json of a folder that llama.cpp can run: a decoder of the Llama family (Llama, Mistral,
// Qwen2, Qwen3), LLaVA 1.5, or SmolVLM and Idefics3.
struct GgufSource {
  std::string folder;
  nlohmann::json json;
  LlamaConfig language;
  std::string architecture;          // llama.cpp's name of the decoder: llama, qwen2 or qwen3
  int64_t context = 0;               // max_position_embeddings
  std::optional<LlavaConfig> llava;  // at most one of these two
  std::optional<SmolVlmConfig> smolvlm;
  std::optional<ImageProcessor> processor;  // of models with pictures

  // Throws emend::Error if llama.cpp or these exports do not support the architecture or a setting.
  explicit GgufSource(const std::string& folder);

  bool has_vision() const { return llava || smolvlm; }
  std::string output_layer() const;  // emend's name of the layer lm_head
  GgufMetadata language_metadata(GgufType type) const;
  // Of the file with vision tower and projector ("mmproj"), which llama.cpp loads beside the model.
  GgufMetadata projector_metadata(GgufType type) const;
  // What llama.cpp divides the frequencies of plain rotary embeddings by; nullopt: nothing.
  std::optional<at::Tensor> frequency_divisors() const;
  // The name in LlamaForCausalLM of a tensor of the language model; nullopt for other tensors.
  std::optional<std::string> language_name(const std::string& name) const;
  // Whether no computation uses a tensor of the folder, so that llama.cpp has none for it.
  bool is_unused(const std::string& name) const;
  // Reorders the rows of a query or key projection for llama.cpp, which rotates neighboring rows in
  // decoders of the architecture `llama`. Other tensors are returned unchanged. `name`: a
  // language_name.
  at::Tensor in_llama_cpp_order(const std::string& name, const at::Tensor& rows) const;
};

// The number of a file type in llama.cpp, by the type of most tensors.
uint32_t gguf_file_type(GgufType type);

}  // namespace emend
