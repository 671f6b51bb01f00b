#include "io/json/json_list.h"

#include <fmt/format.h>

#include "io/error.h"
#include "io/files/file.h"
#include "io/json/json.h"

namespace emend {

std::vector<ListedJson> read_json_list(const std::string& path) {
  const auto text = read_file(path);
  std::vector<ListedJson> list;
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin != std::string::npos && text[begin] == '[') {
    auto array = parse_json(text, path);
    for (size_t i = 0; i < array.size(); ++i)
      list.push_back({std::move(array[i]), fmt::format("{} (entry {})", path, i + 1)});
  } else {
    size_t line = 1;
    for (size_t at = 0; at < text.size(); ++line) {
      const auto end = std::min(text.find('\n', at), text.size());
      const auto one = text.substr(at, end - at);
      at = end + 1;
      if (one.find_first_not_of(" \t\r") == std::string::npos) continue;
      const auto where = fmt::format("{} (line {})", path, line);
      list.push_back({parse_json(one, where), where});
    }
  }
  if (list.empty())
    throw Error("io::json_list", fmt::format("'{}' has no entries", path),
                "write a JSON array, or one JSON value per line");
  return list;
}

}  // namespace emend
