#pragma once

#include <cstdint>
#include <string>

#include "models/config/json_fields.h"
#include "nn/rotary.h"

namespace emend {

// A decoder of the Llama family: Llama, Mistral, Qwen2 or Qwen3 (`model_type`), or that of a
// Qwen-VL. Defaults are those of transformers' LlamaConfig; parse uses those of the model type.
struct LlamaConfig {
  int64_t vocabulary = 32000, hidden = 4096, intermediate = 11008, layers = 32, heads = 32;
  int64_t key_value_heads = 32;  // num_key_value_heads
  int64_t head_width = 128;      // head_dim
  // The maximum length of a row: max_position_embeddings, times the factor of linear and dynamic
  // scaling; at most sliding_window, because longer rows, whose attention has a window, are not
  // implemented.
  int64_t max_positions = 2048;
  bool qkv_bias = false, out_bias = false, mlp_bias = false;
  bool qk_norm = false;  // RMS norms over each head of the queries and keys (Qwen3)
  bool tied = false;     // tie_word_embeddings
  Activation activation = Activation::silu;
  double eps = 1e-6;
  RotaryConfig rotary;

  // Throws emend::Error, which names field and value, if a field is malformed or not implemented.
  static LlamaConfig parse(const JsonFields& json);
  // The same for the decoder of Qwen2-VL, Qwen2.5-VL or Qwen3-VL, whose rotary positions have three
  // axes. `type`: qwen2_vl, qwen2_5_vl or qwen3_vl.
  static LlamaConfig parse_qwen_vl(const JsonFields& json, const std::string& type);
  // All fields as text; equal for equivalent configurations.
  std::string canonical() const;
};

}  // namespace emend
