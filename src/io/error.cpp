#include "io/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace emend {
namespace {

// Names and file contents can have any length. Only the beginning and the end of long ones are
// shown.
constexpr size_t kWord = 300, kBeginning = 120, kEnd = 60;
constexpr size_t kMessage = 4000;

bool is_inside_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

std::string_view beginning(std::string_view text, size_t size) {
  while (size > 0 && size < text.size() && is_inside_character(text[size])) --size;
  return text.substr(0, size);
}

std::string_view end(std::string_view text, size_t size) {
  auto at = text.size() - std::min(size, text.size());
  while (at < text.size() && is_inside_character(text[at])) ++at;
  return text.substr(at);
}

std::string with_short_words(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto word = text.substr(0, text.find(' '));
    if (word.size() > kWord)
      out.append(beginning(word, kBeginning)).append("...").append(end(word, kEnd));
    else
      out.append(word);
    text.remove_prefix(word.size());
    const auto spaces = std::min(text.find_first_not_of(' '), text.size());
    out.append(text.substr(0, spaces));
    text.remove_prefix(spaces);
  }
  if (out.size() > kMessage) out = std::string(beginning(out, kMessage)) + "...";
  return out;
}

// Callers quote file contents and messages of libraries. The message stays one line, whatever they
// contain.
std::string one_line(std::string_view text) {
  std::string line(text);
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return line;
}

std::string format(std::string_view place, std::string_view problem, std::string_view hint) {
  auto end = problem.empty() || problem.back() == '.' || problem.back() == '?' ? "" : ".";
  auto message = fmt::format("[{}] {}{}", place, with_short_words(one_line(problem)), end);
  if (!hint.empty()) message += fmt::format(" Hint: {}", with_short_words(one_line(hint)));
  return message;
}

}  // namespace

Error::Error(std::string_view place, std::string_view problem, std::string_view hint)
    : std::runtime_error(format(place, problem, hint)) {}

ErrorParts error_parts(const std::string& text) {
  static constexpr std::string_view kHint = " Hint: ";
  const auto line = without_places(text);
  const auto at = line.find(kHint);
  if (at == std::string::npos) return {line, {}};
  return {line.substr(0, at), line.substr(at + kHint.size())};
}

std::string without_places(std::string text) {
  const auto is_name = [](char c) { return (c >= 'a' && c <= 'z') || c == '_' || c == '-'; };
  for (size_t begin = 0; (begin = text.find('[', begin)) != std::string::npos;) {
    auto end = begin + 1;
    while (end < text.size() && is_name(text[end])) ++end;
    const bool room = end > begin + 1 && text.compare(end, 2, "::") == 0;
    if (room)
      for (end += 2; end < text.size() && (is_name(text[end]) || std::isdigit(text[end]));) ++end;
    if (room && text.compare(end, 2, "] ") == 0)
      text.erase(begin, end + 2 - begin);
    else
      ++begin;
  }
  return text;
}

}  // namespace emend
