#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <vector>

namespace emend::text {

// The ids put before and after a text when special tokens are asked for.
struct PostProcessor {
  std::vector<int64_t> before, after;
};

// The "post_processor" object of tokenizer.json: TemplateProcessing, RobertaProcessing,
// BertProcessing, ByteLevel (which changes offsets only), or a Sequence of them.
PostProcessor make_post_processor(const nlohmann::json& spec);

}  // namespace emend::text
