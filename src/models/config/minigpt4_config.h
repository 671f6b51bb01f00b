#pragma once

#include <string>
#include <vector>

#include "models/config/blip2_config.h"
#include "models/config/llama_config.h"
#include "models/prompting/prompt_layout.h"

namespace emend {

// MiniGPT4ForConditionalGeneration, emend's own folder layout (docs/models.md): BLIP-2's vision
// tower and Q-Former, a linear projection, and a Llama.
struct MiniGPT4Config {
  Blip2VisionConfig vision;
  QFormerConfig qformer;
  LlamaConfig text;
  int64_t queries = 32;  // num_query_tokens
  PromptLayout layout;   // prompt, stop_sequences, text_config.eos_token_id

  // Throws emend::Error, which names field and value, if a field is malformed or not implemented.
  static MiniGPT4Config parse(const nlohmann::json& json);
  // The fields that affect the computation, as text; equal for equivalent configurations.
  std::string canonical() const;
};

}  // namespace emend
