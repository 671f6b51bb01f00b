#include "editing/targets/block_numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "io/error.h"

namespace emend {

std::vector<size_t> block_numbers(const std::string& list, size_t count,
                                  const std::string& module) {
  const auto refuse = [&] {
    throw Error(
        "editing::targets",
        count == 0
            ? fmt::format("layers is '{}', but {} has no blocks", list.substr(0, 100), module)
            : fmt::format("layers '{}' is not a list of block numbers from 0 to {} of {}",
                          list.substr(0, 100), count - 1, module),
        "write for example --set layers=3,4,5 or layers=3-5; each block is named once");
  };
  std::vector<size_t> numbers;
  const char* at = list.data();
  const char* end = at + list.size();
  const auto skip_spaces = [&] {
    while (at < end && *at == ' ') ++at;
  };
  const auto number = [&] {
    skip_spaces();
    size_t value = 0;
    const auto result = std::from_chars(at, end, value);
    if (result.ec != std::errc() || value >= count) refuse();
    at = result.ptr;
    skip_spaces();
    return value;
  };
  while (true) {
    const auto first = number();
    auto last = first;
    if (at < end && *at == '-') {
      ++at;
      last = number();
    }
    if (last < first) refuse();
    for (auto block = first; block <= last; ++block) numbers.push_back(block);
    if (at == end) break;
    if (*at++ != ',') refuse();
  }
  std::sort(numbers.begin(), numbers.end());
  if (std::adjacent_find(numbers.begin(), numbers.end()) != numbers.end()) refuse();
  return numbers;
}

}  // namespace emend
