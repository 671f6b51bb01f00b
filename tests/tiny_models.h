#pragma once

#include "tests/tiny_llava_onevision.h"
#include "tests/tiny_minigpt4.h"
#include "tests/tiny_qwen_vl.h"
#include "tests/tiny_resnet_llama.h"
#include "tests/tiny_smolvlm.h"

// A tiny folder of every architecture. Qwen3 stands for the text-only decoders of the Llama family,
// because it has all of their parts; LLaVA, SmolVLM and ResNetLlama have a Llama. Qwen3-VL stands
// for Qwen2-VL and Qwen2.5-VL, and LLaVA-OneVision for LLaVA-NeXT.
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
    {"llava_onevision", "llava_onevision", write_tiny_llava_onevision, true},
    {"smolvlm", "smolvlm", write_tiny_smolvlm, true},
    {"resnet_llama", "resnet_llama", write_tiny_resnet_llama, true},
    {"qwen3_vl", "qwen3_vl", write_tiny_qwen3_vl, true},
    {"qwen3", "qwen3", write_tiny_qwen3, false}};

}  // namespace emend::testing
