#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "editing/patches/patch_stack.h"
#include "models/caching/activation_store.h"
#include "models/vlm.h"

namespace emend {

// A question whose answer is generated greedily and shown with its probabilities.
struct AskRequest {
  Query query;  // the prompt with the user's template, and the picture
  int64_t max_new_tokens = 32;
  int64_t alternatives = 5;  // most probable tokens of each position
};

// The answer, its tokens with their probabilities and alternatives, and a hash of the logits:
// {"answer", "prompt", "truncated", "tokens", "logits"}. The probabilities are those of one forced
// pass over the prompt and the answer; the last token is the end of a complete answer.
nlohmann::json ask_with_probabilities(const Vlm& vlm, const PatchStack& stack,
                                      const AskRequest& request, ActivationStore* store);

}  // namespace emend
