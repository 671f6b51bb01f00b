#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace emend::text {

// The steps of BERT's normalizer, in this order.
struct BertNormalizer {
  bool clean_text = true;            // remove control characters, and replace white space by spaces
  bool handle_chinese_chars = true;  // add spaces around ideographs
  bool strip_accents = true;         // decompose, and remove marks
  bool lowercase = true;

  // Reads the "normalizer" object of tokenizer.json: BertNormalizer, or null. Throws emend::Error
  // for other types.
  static BertNormalizer read(const nlohmann::json& spec);

  // `text` and the result are valid UTF-8.
  std::string operator()(std::string_view text) const;
};

}  // namespace emend::text
