#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace emend::text {

// An Oniguruma pattern of a tokenizer.json, run by PCRE2 on UTF-8 with Unicode classes. \s, \p{L}
// and \p{N} are written out, because the Unicode versions of the engines differ. Constructs with a
// different meaning (^, $, \w, \b, \h, scripts, nested classes, ...) are refused. Thread-safe.
class Regex {
 public:
  explicit Regex(const std::string& pattern);
  ~Regex();
  Regex(Regex&&) noexcept;

  struct Match {
    size_t start, end;  // byte offsets
  };
  // The first match that starts at `from` or later. `text` must be valid UTF-8.
  std::optional<Match> find(std::string_view text, size_t from) const;
  // All matches from left to right. As in Oniguruma, an empty match that follows a match directly
  // is skipped; as in Hugging Face tokenizers, an empty text has no matches.
  std::vector<Match> find_all(std::string_view text) const;

 private:
  struct Code;
  std::unique_ptr<Code> code_;
};

// Converts a pattern for PCRE2. Throws emend::Error that names a construct without an equivalent.
std::string to_pcre2(std::string_view oniguruma);

}  // namespace emend::text
