#pragma once

#include <string>

namespace emend {

// How a question of a user becomes a prompt.
struct PromptOptions {
  std::string pattern;  // with {} in place of the question; empty: chosen for the text
  bool bare = false;    // the text alone
};

// The pattern that is given; `{}` for a bare prompt, for a model with a chat template, and for text
// that is not a question (does not end in `?`); else `Question: {} Short answer:`.
std::string prompt_template(const PromptOptions& options, const std::string& text,
                            bool model_wraps);

}  // namespace emend
