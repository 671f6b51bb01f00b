#pragma once

#include <cstdint>
#include <string>

#include "models/config/json_fields.h"
#include "nn/rotary.h"

namespace emend {

// Defaults are those of transformers' LlamaConfig.
struct LlamaConfig {
  int64_t vocabulary = 32000, hidden = 4096, intermediate = 11008, layers = 32, heads = 32;
  int64_t key_value_heads = 32;  // num_key_value_heads
  int64_t head_width = 128;      // head_dim
  int64_t max_positions = 2048;  // how long a row may be: max_position_embeddings, times the factor
                                 // of linear and dynamic scaling
  bool attention_bias = false, mlp_bias = false;
  bool tied = false;  // tie_word_embeddings
  Activation activation = Activation::silu;
  double eps = 1e-6;
  RotaryConfig rotary;

  // Throws emend::Error naming field and value for what is malformed or not implemented.
  static LlamaConfig parse(const JsonFields& json);
  // Every field as text: equal for configurations that mean the same.
  std::string canonical() const;
};

}  // namespace emend
