#include "serving/answer_stream.h"

#include <algorithm>
#include <string_view>

namespace emend {
namespace {

// The tokenizer decodes an incomplete character as this one.
constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// The length of the longest beginning of `stop` at the end of the text.
size_t begun(std::string_view text, std::string_view stop) {
  for (auto length = std::min(text.size(), stop.size() - 1); length > 0; --length)
    if (text.ends_with(stop.substr(0, length))) return length;
  return 0;
}

}  // namespace

std::string AnswerStream::advance(const std::string& text, bool last) {
  if (stopped_) return {};
  auto end = text.size();
  for (const auto& stop : stop_)
    if (const auto at = text.find(stop); at < end) {
      end = at;
      stopped_ = true;
    }
  if (!stopped_ && !last) {
    std::string_view rest = text;
    while (rest.ends_with(kReplacement)) rest.remove_suffix(kReplacement.size());
    end = rest.size();
    for (const auto& stop : stop_) end = std::min(end, rest.size() - begun(rest, stop));
  }
  if (end <= sent_.size()) return {};
  auto piece = text.substr(sent_.size(), end - sent_.size());
  sent_ += piece;
  return piece;
}

}  // namespace emend
