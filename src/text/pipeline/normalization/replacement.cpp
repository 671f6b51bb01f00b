#include "text/pipeline/normalization/replacement.h"

#include <cctype>

#include "text/loading/spec.h"
#include "text/strings.h"

namespace emend::text {
namespace {

// A pattern that matches only the literal string.
std::string quoted(const std::string& text) {
  std::string pattern;
  for (char c : text) {
    if (static_cast<unsigned char>(c) < 0x80 && std::ispunct(static_cast<unsigned char>(c)))
      pattern += '\\';
    pattern += c;
  }
  return pattern;
}

std::string read_literal(const nlohmann::json& pattern, std::string_view where) {
  auto literal = spec_string(pattern, "String", where);
  if (literal.empty()) malformed(where, "the pattern is empty");
  return literal;
}

}  // namespace

Regex read_pattern(const nlohmann::json& spec, std::string_view where) {
  const auto& pattern = spec_object(spec, "pattern", where);
  if (pattern.contains("Regex")) return Regex(spec_string(pattern, "Regex", where));
  return Regex(quoted(read_literal(pattern, where)));
}

Replacement::Replacement(const nlohmann::json& spec, std::string_view where)
    : content_(spec_string(spec, "content", where)) {
  const auto& pattern = spec_object(spec, "pattern", where);
  if (pattern.contains("Regex"))
    regex_.emplace(spec_string(pattern, "Regex", where));
  else
    literal_ = read_literal(pattern, where);
}

std::string Replacement::apply(std::string_view text) const {
  if (!regex_) return replace_all(text, literal_, content_);
  std::string out;
  size_t done = 0;
  for (const auto& match : regex_->find_all(text)) {
    out.append(text, done, match.start - done) += content_;
    done = match.end;
  }
  return out.append(text, done);
}

}  // namespace emend::text
