#include "io/error.h"

#include <fmt/format.h>

namespace emend {
namespace {

// Callers quote file contents and library messages; a message stays one line whatever they hold.
std::string one_line(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return text;
}

std::string format(std::string_view place, std::string_view problem, std::string_view hint) {
  auto end = problem.empty() || problem.back() == '.' || problem.back() == '?' ? "" : ".";
  auto message = fmt::format("[{}] {}{}", place, problem, end);
  if (!hint.empty()) message += fmt::format(" Hint: {}", hint);
  return one_line(std::move(message));
}

}  // namespace

Error::Error(std::string_view place, std::string_view problem, std::string_view hint)
    : std::runtime_error(format(place, problem, hint)) {}

}  // namespace emend
