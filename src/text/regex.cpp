#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"

#include <fmt/format.h>
#include <pcre2.h>

#include <utility>

#include "io/error.h"

namespace emend::text {
namespace {

constexpr const char* kPlace = "text::regex";

// Unicode White_Space; PCRE2's own \s adds U+180E.
constexpr const char* kSpace =
    R"(\t-\r \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
// Alphabetic, marks, decimal digits, connectors; PCRE2's own \w has letters and numbers only.
constexpr const char* kWord =
    R"(\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{24b6}-\x{24e9}\x{1f130}-\x{1f149}\x{1f150}-\x{1f169}\x{1f170}-\x{1f189})";

[[noreturn]] void refuse(std::string_view pattern, std::string_view what) {
  throw Error(kPlace,
              fmt::format("the pattern '{}' uses {}, which is not implemented", pattern, what),
              "use a tokenizer whose pre-tokenizer splits by GPT-2's or Qwen2's kind of pattern");
}

}  // namespace

std::string to_pcre2(std::string_view pattern) {
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\') {
      if (++i == pattern.size()) refuse(pattern, "a lone backslash at its end");
      const char e = pattern[i];
      const std::string_view set = e == 's' || e == 'S' ? kSpace : kWord;
      if (e == 's' || e == 'w') {
        out += in_class ? std::string(set) : fmt::format("[{}]", set);
      } else if ((e == 'S' || e == 'W') && !in_class) {
        out += fmt::format("[^{}]", set);
      } else if (std::string_view("pPdDrntfvxu").find(e) != std::string_view::npos) {
        if (e == 'u') {  // \uHHHH
          if (i + 4 >= pattern.size()) refuse(pattern, "an unfinished \\u");
          out += fmt::format("\\x{{{}}}", pattern.substr(i + 1, 4));
          i += 4;
        } else if (e == 'v') {
          out += "\\x{0b}";  // one character in Oniguruma, a class in PCRE2
        } else {
          out += fmt::format("\\{}", e);
        }
      } else if (!(e >= '0' && e <= '9') && !(e >= 'a' && e <= 'z') && !(e >= 'A' && e <= 'Z')) {
        out += fmt::format("\\{}", e);
      } else {
        refuse(pattern, fmt::format("\\{}", e));
      }
      continue;
    }
    if (in_class) {
      if (c == '[') refuse(pattern, "a class within a class");
      if (c == '&' && i + 1 < pattern.size() && pattern[i + 1] == '&') refuse(pattern, "&&");
      if (c == ']') in_class = false;
    } else if (c == '[') {
      in_class = true;
      out += c;
      if (i + 1 < pattern.size() && pattern[i + 1] == '^') out += pattern[++i];
      if (i + 1 < pattern.size() && pattern[i + 1] == ']') refuse(pattern, "an empty class");
      continue;
    } else if (c == '^' || c == '$') {
      refuse(pattern, fmt::format("the anchor {}", c));
    } else if (c == '(' && i + 1 < pattern.size() && pattern[i + 1] == '?') {
      const std::string_view rest = pattern.substr(i + 2);
      bool known = false;
      for (std::string_view start : {":", "=", "!", "<=", "<!", ">", "i:"})
        known = known || rest.substr(0, start.size()) == start;
      if (!known) refuse(pattern, fmt::format("the group (?{}", rest.substr(0, 1)));
    }
    out += c;
  }
  return out;
}

struct Regex::Code {
  std::string pattern;
  pcre2_code* code = nullptr;
  ~Code() { pcre2_code_free(code); }
};

Regex::Regex(const std::string& pattern) : code_(std::make_unique<Code>()) {
  code_->pattern = pattern;
  const std::string translated = to_pcre2(pattern);
  int error = 0;
  PCRE2_SIZE at = 0;
  code_->code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &at, nullptr);
  if (!code_->code) {
    PCRE2_UCHAR message[256];
    pcre2_get_error_message(error, message, sizeof message);
    throw Error(kPlace, fmt::format("the pattern '{}' does not compile: {}", pattern,
                                    reinterpret_cast<const char*>(message)));
  }
  pcre2_jit_compile(code_->code, PCRE2_JIT_COMPLETE);  // without JIT it is only slower
}

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;

std::optional<Regex::Match> Regex::find(std::string_view text, size_t from) const {
  struct Free {
    void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  };
  const std::unique_ptr<pcre2_match_data, Free> data(
      pcre2_match_data_create_from_pattern(code_->code, nullptr));
  const int found = pcre2_match(code_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                                from, PCRE2_NO_UTF_CHECK, data.get(), nullptr);
  if (found == PCRE2_ERROR_NOMATCH) return std::nullopt;
  if (found < 0)
    throw Error(kPlace, fmt::format("the pattern '{}' gave up at byte {} (PCRE2 error {})",
                                    code_->pattern, from, found));
  const PCRE2_SIZE* span = pcre2_get_ovector_pointer(data.get());
  return Match{span[0], span[1]};
}

}  // namespace emend::text
