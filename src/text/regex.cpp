#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"

#include <fmt/format.h>
#include <pcre2.h>

#include <utility>

#include "io/error.h"
#include "text/utf8.h"

namespace emend::text {
namespace {

constexpr const char* kRegexPlace = "text::regex";

// Unicode White_Space; PCRE2's \s also contains U+180E.
constexpr const char* kRegexSpace =
    R"(\t-\r \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
// Characters of Unicode 15 and 16, which Hugging Face's engine knows, but PCRE2 of Debian 12 does
// not.
constexpr const char* kLetter =
    R"(\p{L}\x{1c89}-\x{1c8a}\x{a7cb}-\x{a7cd}\x{a7da}-\x{a7dc}\x{105c0}-\x{105f3})"
    R"(\x{10d4a}-\x{10d65}\x{10d6f}-\x{10d85}\x{10ec2}-\x{10ec4}\x{1123f}-\x{11240})"
    R"(\x{11380}-\x{11389}\x{1138b}\x{1138e}\x{11390}-\x{113b5}\x{113b7}\x{113d1}\x{113d3})"
    R"(\x{11bc0}-\x{11be0}\x{11f02}\x{11f04}-\x{11f10}\x{11f12}-\x{11f33}\x{1342f})"
    R"(\x{13441}-\x{13446}\x{13460}-\x{143fa}\x{16100}-\x{1611d}\x{16d40}-\x{16d6c}\x{18cff})"
    R"(\x{1b132}\x{1b155}\x{1df25}-\x{1df2a}\x{1e030}-\x{1e06d}\x{1e4d0}-\x{1e4eb})"
    R"(\x{1e5d0}-\x{1e5ed}\x{1e5f0}\x{2b739}\x{2ebf0}-\x{2ee5d}\x{31350}-\x{323af})";
constexpr const char* kNumber =
    R"(\p{N}\x{10d40}-\x{10d49}\x{116d0}-\x{116e3}\x{11bf0}-\x{11bf9}\x{11f50}-\x{11f59})"
    R"(\x{16130}-\x{16139}\x{16d70}-\x{16d79}\x{1ccf0}-\x{1ccf9}\x{1d2c0}-\x{1d2d3})"
    R"(\x{1e4f0}-\x{1e4f9}\x{1e5f1}-\x{1e5fa})";

[[noreturn]] void refuse_regex(std::string_view pattern, std::string_view what) {
  throw Error(kRegexPlace,
              fmt::format("the pattern '{}' uses {}, which is not implemented", pattern, what),
              "use a tokenizer whose pattern is similar to that of GPT-2 or Qwen2");
}

struct NamedSet {
  std::string set;  // content of a class, without its brackets
  bool negated;
};

// \s, \d, \p{..} and their negations; `at` is at the letter and moves to the end of the name. Only
// general categories: script names have different meanings in the two engines.
std::optional<NamedSet> named_set(std::string_view pattern, size_t& at) {
  const char letter = pattern[at];
  if (letter == 's' || letter == 'S') return NamedSet{kRegexSpace, letter == 'S'};
  if (letter == 'd' || letter == 'D') return NamedSet{"\\p{Nd}", letter == 'D'};
  if (letter != 'p' && letter != 'P') return std::nullopt;
  const size_t open = at + 1, close = pattern.find('}', at);
  if (open >= pattern.size() || pattern[open] != '{' || close == std::string_view::npos)
    refuse_regex(pattern, "a \\p without {}");
  bool negated = letter == 'P';
  auto name = pattern.substr(open + 1, close - open - 1);
  if (!name.empty() && name.front() == '^') {
    negated = !negated;
    name.remove_prefix(1);
  }
  if (name.empty() || name.size() > 2)
    refuse_regex(pattern, fmt::format("the property '{}'", name));
  at = close;
  if (name == "L") return NamedSet{kLetter, negated};
  if (name == "N") return NamedSet{kNumber, negated};
  return NamedSet{fmt::format("\\p{{{}}}", name), negated};
}

}  // namespace

std::string to_pcre2(std::string_view pattern) {
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\') {
      if (++i == pattern.size()) refuse_regex(pattern, "a single backslash at its end");
      const char e = pattern[i];
      if (const auto named = named_set(pattern, i)) {
        if (named->negated && in_class) refuse_regex(pattern, "a negated set within a class");
        out += in_class ? named->set : fmt::format("[{}{}]", named->negated ? "^" : "", named->set);
      } else if (e == 'u') {  // \uHHHH
        if (i + 4 >= pattern.size()) refuse_regex(pattern, "an incomplete \\u");
        out += fmt::format("\\x{{{}}}", pattern.substr(i + 1, 4));
        i += 4;
      } else if (e == 'v') {
        out += "\\x{0b}";  // one character in Oniguruma, a class in PCRE2
      } else if (std::string_view("rntfx").find(e) != std::string_view::npos) {
        out += fmt::format("\\{}", e);
      } else if (!(e >= '0' && e <= '9') && !(e >= 'a' && e <= 'z') && !(e >= 'A' && e <= 'Z')) {
        out += fmt::format("\\{}", e);
      } else {
        refuse_regex(pattern, fmt::format("\\{}", e));
      }
      continue;
    }
    if (in_class) {
      if (c == '[') refuse_regex(pattern, "a class within a class");
      if (c == '&' && i + 1 < pattern.size() && pattern[i + 1] == '&') refuse_regex(pattern, "&&");
      if (c == ']') in_class = false;
    } else if (c == '[') {
      in_class = true;
      out += c;
      if (i + 1 < pattern.size() && pattern[i + 1] == '^') out += pattern[++i];
      if (i + 1 < pattern.size() && pattern[i + 1] == ']') refuse_regex(pattern, "an empty class");
      continue;
    } else if (c == '^' || c == '$') {
      refuse_regex(pattern, fmt::format("the anchor {}", c));
    } else if (c == '(' && i + 1 < pattern.size() && pattern[i + 1] == '?') {
      const std::string_view rest = pattern.substr(i + 2);
      bool known = false;
      for (std::string_view start : {":", "=", "!", "<=", "<!", ">", "i:"})
        known = known || rest.substr(0, start.size()) == start;
      if (!known) refuse_regex(pattern, fmt::format("the group (?{}", rest.substr(0, 1)));
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
    throw Error(
        kRegexPlace,
        fmt::format("the pattern '{}' does not compile: {}", pattern,
                    reinterpret_cast<const char*>(message)),
        "emend uses PCRE2, which supports most patterns of tokenizers; correct the pattern");
  }
  pcre2_jit_compile(code_->code, PCRE2_JIT_COMPLETE);  // without JIT, matching is only slower
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
    throw Error(
        kRegexPlace,
        fmt::format("matching the pattern '{}' failed at byte {} (PCRE2 error {})", code_->pattern,
                    from, found),
        "make the text shorter, or correct the tokenizer's pattern, which backtracks too much");
  const PCRE2_SIZE* span = pcre2_get_ovector_pointer(data.get());
  return Match{span[0], span[1]};
}

std::vector<Regex::Match> Regex::find_all(std::string_view text) const {
  std::vector<Match> all;
  if (text.empty()) return all;
  for (size_t at = 0; at <= text.size();) {
    const auto match = find(text, at);
    if (!match) break;
    const bool empty = match->start == match->end;
    if (!empty || all.empty() || all.back().end != match->start) all.push_back(*match);
    at = match->end;
    if (empty) at += at < text.size() ? character_size(text, at) : 1;
  }
  return all;
}

}  // namespace emend::text
