#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace emend::text {

// An Oniguruma pattern, as tokenizer.json states them, run by PCRE2 on UTF-8 with Unicode classes.
// \s, \p{L} and \p{N} are spelt out, because the engines' Unicode versions differ; constructs whose
// meaning differs (^, $, \w, \b, \h, scripts, nested classes, ...) are refused. Safe to use from
// several threads.
class Regex {
 public:
  explicit Regex(const std::string& pattern);
  ~Regex();
  Regex(Regex&&) noexcept;

  struct Match {
    size_t start, end;  // byte offsets
  };
  // The first match that starts at `from` or later. Text is well-formed UTF-8.
  std::optional<Match> find(std::string_view text, size_t from) const;

 private:
  struct Code;
  std::unique_ptr<Code> code_;
};

// The same pattern for PCRE2. Throws emend::Error naming what has no equivalent.
std::string to_pcre2(std::string_view oniguruma);

}  // namespace emend::text
