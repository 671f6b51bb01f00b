#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <vector>

namespace emend::text {

// The IDs that are added before and after a text if special tokens are requested.
struct PostProcessor {
  std::vector<int64_t> before, after;
  bool empty() const { return before.empty() && after.empty(); }
};

// Throws emend::Error if an ID does not exist. `known`: whether an ID exists.
void check_ids(const PostProcessor& post, const std::function<bool(int64_t)>& known);

// Reads the "post_processor" object of tokenizer.json: TemplateProcessing, RobertaProcessing,
// BertProcessing, ByteLevel (which changes only offsets), or a Sequence of them, one of which adds
// tokens.
PostProcessor make_post_processor(const nlohmann::json& spec);

}  // namespace emend::text
