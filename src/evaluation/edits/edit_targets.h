#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "editing/editor.h"

namespace emend {

// A request about a scene with an arbitrary target. Most targets are answers that the model never
// gives, and many contain tokens that it was not trained on.
struct TargetRequest {
  std::string kind;    // number, word, name, two_tokens, five_tokens, yes_no, caption
  EditRequest edit;    // the prompt includes the template, the target its leading space
  std::string answer;  // the expected generated answer: the target without the space
};

// `count` requests about random scenes of the split `eval`, with the kinds in turn. The same seed
// gives the same requests.
std::vector<TargetRequest> draw_targets(const Tokenizer& tokenizer, size_t count, uint64_t seed);

}  // namespace emend
