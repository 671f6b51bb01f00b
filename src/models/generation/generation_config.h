#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace emend {

// What a folder's generation_config.json asks of answers, by the names that transformers gives it.
struct GenerationConfig {
  double repetition_penalty = 1;
  int64_t no_repeat_ngram_size = 0;
  std::vector<std::vector<int64_t>> bad_words_ids;
  std::vector<int64_t> suppress_tokens, begin_suppress_tokens;
  int64_t min_length = 0;      // of the prompt with its answer
  int64_t min_new_tokens = 0;  // of the answer
  int64_t max_length = 0;      // the same; 0: no limit
  int64_t max_new_tokens = 0;
  std::vector<int64_t> eos_token_id;
  // What is there, would change answers, and is not implemented: names.
  std::vector<std::string> not_implemented;
  // do_sample and what goes with it, where the file asks for it: answers are greedy all the same.
  std::vector<std::string> sampling;

  // Throws emend::Error that names the field for what is malformed.
  static GenerationConfig parse(const nlohmann::json& json);

  // Whether it changes which token comes next.
  bool changes_logits() const;
  // The settings that are applied, by name; an empty object when all are at their defaults.
  nlohmann::json applied() const;
  // The names of all that would change answers: applied or not.
  std::vector<std::string> names() const;
};

// `logits` (V) of the token that follows `ids`, a prompt and the answer so far, as the processors
// of transformers leave them, in their order; float32 on the CPU. `prompt`: how many ids are the
// prompt's. An id outside of the vocabulary, a picture's slot, is like no token.
at::Tensor processed_logits(const GenerationConfig& config, const std::vector<int64_t>& stop_tokens,
                            const std::vector<int64_t>& ids, size_t prompt,
                            const at::Tensor& logits);

}  // namespace emend
