#include "editing/editors/locate/lookup.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "editing/training/forced.h"
#include "io/error.h"

namespace emend {
namespace {

bool is_word_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || static_cast<unsigned char>(c) >= 0x80;
}

// The end of the first occurrence of `words` that is a whole word, or of any occurrence.
size_t end_of_words(const std::string& text, const std::string& words) {
  size_t any = std::string::npos;
  for (auto at = text.find(words); at != std::string::npos; at = text.find(words, at + 1)) {
    const auto end = at + words.size();
    if (any == std::string::npos) any = end;
    const bool begins = at == 0 || !is_word_character(text[at - 1]);
    const bool ends = end == text.size() || !is_word_character(text[end]);
    if (begins && ends) return end;
  }
  return any;
}

}  // namespace

int64_t last_token_of(const Vlm& vlm, const Row& row, const std::string& words) {
  const auto& tokenizer = *vlm.processor.tokenizer;
  const auto length =
      row.prompt_length < 0 ? row.ids.size() : static_cast<size_t>(row.prompt_length);
  std::vector<int64_t> ids;
  std::vector<size_t> positions;
  for (size_t i = 0; i < length; ++i) {
    if (row.ids[i] == kImageToken) continue;
    ids.push_back(row.ids[i]);
    positions.push_back(i);
  }
  const auto text = tokenizer.decode(ids, /*skip_special=*/false);
  const auto end = words.empty() ? std::string::npos : end_of_words(text, words);
  if (end == std::string::npos)
    throw Error("editing::lookup",
                fmt::format("the prompt does not contain the subject '{}'", words.substr(0, 200)),
                "write the subject as in the prompt, or use --set lookup=last");
  // The shortest run of tokens whose text contains the words.
  size_t low = 1, high = ids.size();
  while (low < high) {
    const auto middle = (low + high) / 2;
    const auto part = tokenizer.decode({ids.begin(), ids.begin() + static_cast<int64_t>(middle)},
                                       /*skip_special=*/false);
    if (part.size() >= end)
      high = middle;
    else
      low = middle + 1;
  }
  return static_cast<int64_t>(positions[low - 1]);
}

std::vector<int64_t> lookup_positions(const Vlm& vlm, const EditRequest& request,
                                      const std::string& lookup, bool end_of_answer) {
  const auto forced = force_edits(vlm, {request}, end_of_answer);
  const auto& row = forced.batch.rows.front();
  const auto size = static_cast<int64_t>(row.ids.size());
  const auto answer = forced.answer_begin.front();
  const bool known = !request.subject.empty();
  const auto kind = lookup != "auto"                    ? lookup
                    : known && !request.image.present() ? "subject"
                                                        : "last";
  if (kind == "last") return {size - answer + 1};
  if (kind == "answer") {
    std::vector<int64_t> positions;
    for (auto i = answer - 1; i + 1 < size; ++i) positions.push_back(size - i);
    return positions;
  }
  if (kind == "last_image") {
    const auto last = std::find(row.ids.rbegin(), row.ids.rend(), kImageToken);
    if (last == row.ids.rend())
      throw Error("editing::lookup", "the edit has no picture, so it has no last image token",
                  "give a picture, or use --set lookup=last");
    return {last - row.ids.rbegin() + 1};
  }
  if (!known)
    throw Error("editing::lookup", fmt::format("the edit has no {}", kind),
                "give it with --subject, or use --set lookup=last");
  return {size - last_token_of(vlm, row, request.subject)};
}

}  // namespace emend
