#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace emend::text {

// What BERT does to a text before it is cut, in this order.
struct BertNormalizer {
  bool clean_text = true;            // control characters go, all white space becomes spaces
  bool handle_chinese_chars = true;  // spaces around ideographs
  bool strip_accents = true;         // decomposed, without marks
  bool lowercase = true;

  // The "normalizer" object of tokenizer.json: BertNormalizer, or null. Throws emend::Error for any
  // other kind.
  static BertNormalizer read(const nlohmann::json& spec);

  // `text` is well-formed UTF-8, and so is the result.
  std::string operator()(std::string_view text) const;
};

}  // namespace emend::text
