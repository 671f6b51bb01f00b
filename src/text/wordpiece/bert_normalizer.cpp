#include "text/wordpiece/bert_normalizer.h"

#include <utf8proc.h>

#include "text/loading/spec.h"
#include "text/unicode.h"
#include "text/utf8.h"
#include "text/wordpiece/bert_characters.h"

namespace emend::text {
namespace {

// Characters that decompose, or are reordered, only in a later Unicode version than Hugging Face's.
bool is_newer_than_bert(char32_t c) {
  if (c < 0x300) return false;
  const auto* property = utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
  return c == 0x11938 || (property->combining_class != 0 && !is_bert_moving(c));
}

void append_unmarked(std::string& out, std::string_view decomposed) {
  for (size_t at = 0; at < decomposed.size();) {
    const char32_t c = next_code_point(decomposed, at);
    if (!is_bert_mark(c)) append_utf8(out, c);
  }
}

std::string without_accents(std::string_view text) {
  // A plain character is not reordered, so the parts before and after it are independent.
  std::string out;
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    if (!is_newer_than_bert(next_code_point(text, at))) continue;
    append_unmarked(out, decompose(text.substr(done, start - done)));
    out += text.substr(start, at - start);
    done = at;
  }
  append_unmarked(out, decompose(text.substr(done)));
  return out;
}

// Converts character by character. The ranges are newer than the tables of the machine may be.
void append_lower(std::string& out, char32_t c) {
  if (c == 0x130) {  // the only letter that becomes two characters
    out += "i\u0307";
    return;
  }
  if (c >= 0x10d50 && c <= 0x10d65) return append_utf8(out, c + 0x20);
  if (c >= 0x16ea0 && c <= 0x16eb8) return append_utf8(out, c + 0x1b);
  switch (c) {
    case 0xa7cb:
      return append_utf8(out, 0x264);
    case 0xa7dc:
      return append_utf8(out, 0x19b);
    case 0x1c89:
    case 0xa7cc:
    case 0xa7ce:
    case 0xa7d2:
    case 0xa7d4:
    case 0xa7da:
      return append_utf8(out, c + 1);
    default:
      append_utf8(out, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
  }
}

}  // namespace

BertNormalizer BertNormalizer::read(const nlohmann::json& spec) {
  if (spec.is_null()) return {false, false, false, false};
  const std::string type = spec_type(spec, "normalizer");
  if (type != "BertNormalizer") not_implemented("normalizer", type);
  BertNormalizer made;
  made.clean_text = spec_bool(spec, "clean_text", true, type);
  made.handle_chinese_chars = spec_bool(spec, "handle_chinese_chars", true, type);
  made.lowercase = spec_bool(spec, "lowercase", true, type);
  made.strip_accents = spec_bool(spec, "strip_accents", made.lowercase, type);
  return made;
}

std::string BertNormalizer::operator()(std::string_view text) const {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    if (clean_text && is_bert_dropped(c)) continue;
    const bool alone = handle_chinese_chars && is_bert_ideograph(c);
    if (alone) out += ' ';
    if (clean_text && is_space(c))
      out += ' ';
    else
      append_utf8(out, c);
    if (alone) out += ' ';
  }
  if (strip_accents) out = without_accents(out);
  if (!lowercase) return out;
  std::string lower;
  lower.reserve(out.size());
  for (size_t at = 0; at < out.size();) append_lower(lower, next_code_point(out, at));
  return lower;
}

}  // namespace emend::text
