#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "models/prompting/processor.h"

namespace emend {

// Returns a token as text, or "token ID" if the tokenizer does not have the id (the vocabulary of a
// model can be larger than its tokenizer's).
std::string token_text(const Tokenizer& tokenizer, int64_t id);

// Lists the positions of teacher-forced answers at which the model prefers another token to the
// target's: [{"position", "expected", "predicted"}], where the last two are text. `answers` has the
// answer tokens of each request. `predicted` has the most likely token of each position of all
// requests, in the order of the requests. A position is counted from the start of its answer. The
// field "request" is present if there are several requests.
nlohmann::json failed_tokens(const Processor& processor,
                             const std::vector<std::vector<int64_t>>& answers,
                             const std::vector<int64_t>& predicted);

}  // namespace emend
