#include "cli/validators.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>

#include "io/strings/comma_list.h"
#include "text/chat_template.h"

namespace emend::cli {
namespace {

// Parses the whole text as a number of type T.
template <typename T>
bool read(const std::string& text, T& value) {
  const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && begin != end;
}

// Whether the text is a whole number of any size. A huge number is then reported as out of range,
// not as malformed.
bool is_whole(const std::string& text) {
  const size_t begin = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
  return text.size() > begin && text.find_first_not_of("0123456789", begin) == std::string::npos;
}

}  // namespace

CLI::Validator whole_number(int64_t least, int64_t most) {
  auto check = [least, most](std::string& text) -> std::string {
    int64_t value = 0;
    if (read(text, value) && value >= least && value <= most) return {};
    return fmt::format("must be {}between {} and {}", is_whole(text) ? "" : "a whole number ",
                       least, most);
  };
  return {check, fmt::format("{} to {}", least, most)};
}

CLI::Validator real_number(double least, double most) {
  auto check = [least, most](std::string& text) -> std::string {
    double value = 0;
    const bool is_number = read(text, value) && !std::isnan(value);
    if (is_number && value >= least && value <= most) return {};
    return fmt::format("must be {}between {:g} and {:g}", is_number ? "" : "a number ", least,
                       most);
  };
  return {check, fmt::format("{:g} to {:g}", least, most)};
}

CLI::Validator date() {
  auto check = [](std::string& text) {
    return is_date(text)
               ? std::string()
               : fmt::format("must be a date such as 2024-07-26, not '{}'", text.substr(0, 100));
  };
  return {check, "YYYY-MM-DD"};
}

CLI::Validator one_of(const std::vector<std::string>& words) {
  const auto listed = fmt::format("{}", fmt::join(words, ", "));
  auto check = [words, listed](std::string& text) {
    const bool known = std::find(words.begin(), words.end(), text) != words.end();
    if (known) return std::string();
    return fmt::format("must be one of {}, not '{}'", listed, text.substr(0, 100));
  };
  return {check, fmt::format("{{{}}}", fmt::join(words, ","))};
}

CLI::Validator list_of(const std::vector<std::string>& words) {
  const auto check = one_of(words);
  return {[check](std::string& text) {
            for (auto word : comma_list(text))
              if (auto problem = check(word); !problem.empty()) return problem;
            return std::string();
          },
          check.get_description()};
}

CLI::Validator memory_size() {
  auto convert = [](std::string& text) -> std::string {
    const std::string wrong = "must be a size such as 512M or 4G";
    const auto digits = text.find_first_not_of("0123456789");
    auto unit = digits == std::string::npos ? std::string() : text.substr(digits);
    for (auto& c : unit) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (unit.ends_with("ib")) unit.resize(unit.size() - 2);
    if (unit.ends_with("b")) unit.resize(unit.size() - 1);
    const std::string units = "kmgt";
    int shift = 0;
    if (!unit.empty()) {
      const auto place = unit.size() == 1 ? units.find(unit[0]) : std::string::npos;
      if (place == std::string::npos) return wrong;
      shift = 10 * static_cast<int>(place + 1);
    }
    uint64_t number = 0;
    if (!read(text.substr(0, digits), number) ||
        number > (static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) >> shift))
      return wrong;
    text = std::to_string(number << shift);
    return {};
  };
  return {convert, "SIZE"};
}

}  // namespace emend::cli
