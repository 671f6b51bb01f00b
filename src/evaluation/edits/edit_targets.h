#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "editing/editor.h"

namespace emend {

// A request about the bundled world whose target is arbitrary: mostly nothing that the model would
// ever answer, often in tokens that it has never seen.
struct TargetRequest {
  std::string kind;    // number, word, name, two_tokens, five_tokens, yes_no, caption
  EditRequest edit;    // the prompt is wrapped, the target has its leading space
  std::string answer;  // the target without the space, as generation is to give it
};

// `count` requests about random scenes of the split `eval`, the kinds in turn. Equal for equal
// seeds.
std::vector<TargetRequest> draw_targets(const Tokenizer& tokenizer, size_t count, uint64_t seed);

}  // namespace emend
