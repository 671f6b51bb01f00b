#include "editing/tracing/token_groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "io/error.h"
#include "io/strings/blank.h"
#include "text/strings.h"

namespace emend {
namespace {

// The tokens of `words` in ids[begin..end), all of which have a text.
std::pair<int64_t, int64_t> words_within(const Tokenizer& tokenizer,
                                         const std::vector<int64_t>& ids, int64_t begin,
                                         int64_t end, const std::string& words) {
  const auto text = [&](int64_t until) {
    return tokenizer.decode({ids.begin() + begin, ids.begin() + until}, /*skip_special=*/false);
  };
  const auto whole = text(end);
  auto at = text::find_whole_words(whole, words);
  if (at == std::string::npos) at = whole.find(words);
  if (at == std::string::npos) return {};
  std::vector<size_t> lengths;  // of the text before each token
  for (auto i = begin; i <= end; ++i) lengths.push_back(text(i).size());
  // The last token that begins at or before the words, and the first that ends at or after them.
  const auto first = std::upper_bound(lengths.begin(), lengths.end(), at) - lengths.begin() - 1;
  const auto last =
      std::lower_bound(lengths.begin(), lengths.end(), at + words.size()) - lengths.begin();
  return {begin + first, begin + last};
}

}  // namespace

std::pair<int64_t, int64_t> find_words(const Tokenizer& tokenizer, const std::vector<int64_t>& ids,
                                       const std::string& words) {
  const auto needle = trimmed(words);
  if (needle.empty()) return {};
  const auto size = static_cast<int64_t>(ids.size());
  const auto has_text = [&](int64_t i) { return ids[i] >= 0 && ids[i] < tokenizer.size(); };
  for (int64_t begin = 0; begin < size;) {
    auto end = begin;
    while (end < size && has_text(end)) ++end;
    if (end > begin)
      if (const auto found = words_within(tokenizer, ids, begin, end, needle);
          found.first < found.second)
        return found;
    begin = end + 1;
  }
  return {};
}

std::vector<TokenGroup> token_groups(const Vlm& vlm, const Row& row, const std::string& question,
                                     const std::string& subject, const PictureGrid& grid) {
  const auto& tokenizer = *vlm.processor.tokenizer;
  const auto size = static_cast<int64_t>(row.ids.size());
  const auto prompt = row.prompt_length < 0 ? size : row.prompt_length;
  const std::vector<int64_t> asked(row.ids.begin(), row.ids.begin() + prompt);

  std::map<std::string, std::vector<int64_t>> groups;
  std::pair<int64_t, int64_t> named;
  if (!is_blank(subject)) {
    named = find_words(tokenizer, asked, subject);
    if (named.first >= named.second)
      throw Error("editing::trace",
                  fmt::format("the prompt does not contain the subject '{}'", subject),
                  "write the subject as it is written in the prompt");
  }
  auto text = find_words(tokenizer, asked, question);
  if (text.first >= text.second) text = {0, prompt};
  int64_t image_token = 0;
  std::vector<TokenGroup> parts;
  std::map<std::pair<int64_t, int64_t>, size_t> part_of;
  for (int64_t i = 0; i < size; ++i) {
    if (row.ids[i] == kImageToken) {
      groups["image"].push_back(i);
      if (const auto cell = grid.cell(image_token++)) {
        const auto [known, added] = part_of.try_emplace(*cell, parts.size());
        if (added)
          parts.push_back({fmt::format("image {},{}", cell->first + 1, cell->second + 1), {}});
        parts[known->second].positions.push_back(i);
      }
    } else if (i >= prompt) {
      groups["answer"].push_back(i);
    } else if (i >= named.first && i < named.second) {
      groups["subject"].push_back(i);
    } else if (i == prompt - 1) {
      groups["last"].push_back(i);
    } else if (i >= text.first && i < text.second) {
      groups["question"].push_back(i);
    } else {
      groups["template"].push_back(i);
    }
  }
  // The last token of the prompt can belong to the subject, too.
  if (groups["last"].empty()) groups["last"] = {prompt - 1};
  if (groups["subject"].size() > 1) groups["subject last"] = {groups["subject"].back()};

  std::vector<TokenGroup> ordered;
  const auto add = [&](const char* name) {
    if (!groups[name].empty()) ordered.push_back({name, groups[name]});
  };
  add("image");
  std::sort(parts.begin(), parts.end(), [](const auto& a, const auto& b) {
    return a.name.size() != b.name.size() ? a.name.size() < b.name.size() : a.name < b.name;
  });
  ordered.insert(ordered.end(), parts.begin(), parts.end());
  for (const char* name : {"template", "subject", "subject last", "question", "last", "answer"})
    add(name);
  return ordered;
}

}  // namespace emend
