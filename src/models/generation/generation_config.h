#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace emend {

// The settings of a folder's generation_config.json, with their names in transformers.
struct GenerationConfig {
  double repetition_penalty = 1;
  int64_t no_repeat_ngram_size = 0;
  std::vector<std::vector<int64_t>> bad_words_ids;
  std::vector<int64_t> suppress_tokens, begin_suppress_tokens;
  int64_t min_length = 0;      // of the prompt with its answer
  int64_t min_new_tokens = 0;  // of the answer
  int64_t max_length = 0;      // of the prompt with its answer; 0: no limit
  int64_t max_new_tokens = 0;
  std::vector<int64_t> eos_token_id;
  // Names of settings that would change answers, but are not implemented.
  std::vector<std::string> not_implemented;
  // do_sample and related settings: they are ignored, because answers are greedy.
  std::vector<std::string> sampling;

  // Throws emend::Error, which names the field of `file`, if it is malformed.
  static GenerationConfig parse(const nlohmann::json& json,
                                const std::string& file = "generation_config.json");

  // Whether any setting changes the choice of tokens.
  bool changes_logits() const;
  // The settings that are applied, by name; an empty object if all have their defaults.
  nlohmann::json applied() const;
  // The names of all settings that would change answers, whether implemented or not.
  std::vector<std::string> names() const;
};

// Processes `logits` (V) of the token after `ids` (a prompt and the answer so far) as the logits
// processors of transformers do, in their order. float32 on the CPU. `prompt` is the number of
// prompt ids. An id outside of the vocabulary (an image token) matches no token.
at::Tensor processed_logits(const GenerationConfig& config, const std::vector<int64_t>& stop_tokens,
                            const std::vector<int64_t>& ids, size_t prompt,
                            const at::Tensor& logits);

}  // namespace emend
