#pragma once

// For tests only.

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "io/testing.h"

namespace emend::text {

// The messages of malformed and not_implemented (loading/spec.h).
inline std::string malformed_message(std::string_view where, std::string_view problem) {
  return fmt::format(
      "[text::tokenizer] {}: {}. Hint: the file is damaged, or was not written by Hugging Face "
      "tokenizers",
      where, problem);
}
inline std::string not_implemented_message(std::string_view where, std::string_view what) {
  return fmt::format(
      "[text::tokenizer] {} '{}' is not implemented. Hint: supported are BPE tokenizers such as "
      "those of GPT-2, OPT, Qwen2 and Llama, and WordPiece",
      where, what);
}

}  // namespace emend::text
