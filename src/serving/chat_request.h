#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "models/vlm.h"

namespace emend {

// The limits of a request.
struct ChatLimits {
  int64_t max_new_tokens = 1024;     // of a request
  int64_t default_new_tokens = 256;  // if a request does not say
  int64_t max_messages = 256;
};

// A request of /v1/chat/completions.
struct ChatRequest {
  std::string model;
  Query query;  // the formatted prompt and the picture
  GenerationOptions generation;
  std::vector<std::string> stop;  // texts that end the answer, at most 4
  bool stream = false;
  bool include_usage = false;  // a stream ends with the numbers of tokens
};

// Checks and converts the body. A model with a chat template takes conversations; any other model
// takes one user message, and a question is put into `question_template` (with `{}`). Pictures are
// data URLs. Throws ApiError with status 400 that names the field if a value is wrong,
// or if the request needs something that is not implemented (tools, several answers, ...).
ChatRequest parse_chat_request(const nlohmann::json& body, const Vlm& vlm,
                               const std::string& question_template, const ChatLimits& limits = {});

}  // namespace emend
