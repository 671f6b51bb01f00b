#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "models/prompting/processor.h"

namespace emend {

// A token as text; "token ID" where the model's vocabulary is larger than the tokenizer's.
std::string token_text(const Tokenizer& tokenizer, int64_t id);

// The places of teacher-forced answers where another token is more likely than the target's:
// [{"position", "expected", "predicted"}], the last two as text. `answers`: the tokens of each
// request's answer; `predicted`: the likeliest token of each place, request after request. A
// position counts from the beginning of its answer; "request" is there when there are several.
nlohmann::json failed_tokens(const Processor& processor,
                             const std::vector<std::vector<int64_t>>& answers,
                             const std::vector<int64_t>& predicted);

}  // namespace emend
