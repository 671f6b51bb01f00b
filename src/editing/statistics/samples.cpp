#include "editing/statistics/samples.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <numeric>

#include "io/error.h"
#include "io/files/file.h"
#include "io/hash.h"
#include "io/strings/blank.h"
#include "suites/random.h"
#include "text/utf8.h"

namespace emend {

std::vector<int64_t> choose_samples(int64_t available, int64_t count, int64_t seed) {
  std::vector<int64_t> chosen(static_cast<size_t>(available));
  std::iota(chosen.begin(), chosen.end(), 0);
  if (count == 0 || count >= available) return chosen;
  std::mt19937_64 random(static_cast<uint64_t>(seed));
  shuffle(chosen, random);
  chosen.resize(static_cast<size_t>(count));
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

MomentsSamples text_samples(const std::string& path, int64_t count, int64_t seed) {
  const auto bytes = read_file(path);
  if (const auto wrong = text::invalid_utf8(bytes))
    throw Error("editing::statistics",
                fmt::format("'{}' is not UTF-8 text: byte {} is invalid", path, *wrong),
                "convert the file to UTF-8, with one sample per line");
  std::vector<std::string> lines;
  const std::string byte_order_mark = "\xef\xbb\xbf";
  for (size_t begin = bytes.starts_with(byte_order_mark) ? byte_order_mark.size() : 0;
       begin < bytes.size();) {
    const auto end = std::min(bytes.find('\n', begin), bytes.size());
    auto line = bytes.substr(begin, end - begin);
    if (line.ends_with('\r')) line.pop_back();
    if (!is_blank(line)) lines.push_back(std::move(line));
    begin = end + 1;
  }
  if (lines.empty())
    throw Error("editing::statistics", fmt::format("'{}' has no text", path),
                "write one sample per line");
  auto chosen = std::make_shared<std::vector<std::string>>();
  for (auto line : choose_samples(static_cast<int64_t>(lines.size()), count, seed))
    chosen->push_back(std::move(lines[static_cast<size_t>(line)]));
  MomentsSamples samples;
  samples.source.data = {{"text",
                          {{"file", std::filesystem::path(path).filename().string()},
                           {"hash", hash_hex(bytes)},
                           {"lines", lines.size()}}}};
  samples.source.samples = static_cast<int64_t>(chosen->size());
  samples.source.seed = seed;
  samples.queries = [chosen](int64_t i) {
    return std::vector<TargetQuery>{{{}, chosen->at(static_cast<size_t>(i)), ""}};
  };
  return samples;
}

}  // namespace emend
