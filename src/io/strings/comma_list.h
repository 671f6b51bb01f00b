#pragma once

#include <algorithm>
#include <string>
#include <vector>

namespace emend {

// The items of a list such as "a,b", with their spaces. An empty text has one item, which is empty.
inline std::vector<std::string> comma_list(const std::string& text) {
  std::vector<std::string> items;
  for (size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find(',', begin), text.size());
    items.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return items;
}

}  // namespace emend
