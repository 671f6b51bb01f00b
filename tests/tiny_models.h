#pragma once

#include "tests/tiny_minigpt4.h"
#include "tests/tiny_resnet_llama.h"
#include "tests/tiny_smolvlm.h"

// A tiny folder of every architecture. Qwen3 stands for the text-only decoders of the Llama family,
// because it has all of their parts; LLaVA, SmolVLM and ResNetLlama have a Llama.
namespace emend::testing {

struct TinyModel {
  const char *name, *model_type;
  void (*write)(const std::string& folder, uint64_t seed);
  bool sees;
};
inline const TinyModel kTinyModels[] = {
    {"blip2", "blip-2", write_tiny_vlm, true},
    {"minigpt4", "minigpt4", write_tiny_minigpt4, true},
    {"llava", "llava", write_tiny_llava, true},
    {"smolvlm", "smolvlm", write_tiny_smolvlm, true},
    {"resnet_llama", "resnet_llama", write_tiny_resnet_llama, true},
    {"qwen3", "qwen3", write_tiny_qwen3, false}};

}  // namespace emend::testing
