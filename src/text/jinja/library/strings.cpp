#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/library/library.h"
#include "text/utf8.h"

namespace emend::text::jinja {
namespace {

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
char to_upper(char c) { return is_lower(c) ? static_cast<char>(c - 'a' + 'A') : c; }
char to_lower(char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; }

std::string_view ascii(std::string_view text) {
  for (char c : text)
    if (static_cast<unsigned char>(c) >= 0x80) refuse("upper or lower case beyond ASCII");
  return text;
}

}  // namespace

Value upper(std::string_view text) {
  std::string out(ascii(text));
  std::transform(out.begin(), out.end(), out.begin(), to_upper);
  return Value(std::move(out));
}

Value lower(std::string_view text) {
  std::string out(ascii(text));
  std::transform(out.begin(), out.end(), out.begin(), to_lower);
  return Value(std::move(out));
}

Value capitalized(std::string_view text) {
  std::string out(ascii(text));
  std::transform(out.begin(), out.end(), out.begin(), to_lower);
  if (!out.empty()) out[0] = to_upper(out[0]);
  return Value(std::move(out));
}

Value title_case(std::string_view text) {
  std::string out(ascii(text));
  bool in_word = false;
  for (char& c : out) {
    c = in_word ? to_lower(c) : to_upper(c);
    in_word = is_upper(c) || is_lower(c);
  }
  return Value(std::move(out));
}

std::string stripped(std::string_view text, const Value* set, bool left, bool right) {
  if (!set || set->is_none()) {
    if (left) text = python_lstrip(text);
    if (right) text = python_rstrip(text);
    return std::string(text);
  }
  if (!set->string())
    fail(fmt::format("the characters to strip should be a string, not {}", set->kind()));
  const auto wanted = characters(*set->string());
  const auto has = [&](std::string_view character) {
    return std::find(wanted.begin(), wanted.end(), character) != wanted.end();
  };
  const auto all = characters(text);
  size_t start = 0, end = all.size();
  while (left && start < end && has(all[start])) ++start;
  while (right && end > start && has(all[end - 1])) --end;
  std::string out;
  for (size_t i = start; i < end; ++i) out += all[i];
  return out;
}

std::string replaced(std::string_view text, const std::string& from, const std::string& to,
                     int64_t count, Budget& budget) {
  if (from.empty()) refuse("'replace' of an empty string");
  std::string out;
  size_t done = 0;
  for (size_t at; count != 0 && (at = text.find(from, done)) != std::string_view::npos; --count) {
    budget.text(at - done + to.size());
    out.append(text, done, at - done) += to;
    done = at + from.size();
  }
  budget.text(text.size() - done);
  return out.append(text, done);
}

}  // namespace emend::text::jinja
