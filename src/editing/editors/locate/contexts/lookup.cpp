#include "editing/editors/locate/contexts/lookup.h"

#include <fmt/format.h>

#include <algorithm>

#include "editing/tracing/token_groups.h"
#include "io/error.h"

namespace emend {
int64_t last_token_of(const Vlm& vlm, const Row& row, const std::string& words) {
  const auto length =
      row.prompt_length < 0 ? row.ids.size() : static_cast<size_t>(row.prompt_length);
  const std::vector<int64_t> prompt(row.ids.begin(),
                                    row.ids.begin() + static_cast<int64_t>(length));
  const auto [begin, end] = find_words(*vlm.processor.tokenizer, prompt, words);
  if (begin == end)
    throw Error("editing::lookup",
                fmt::format("the prompt does not contain the subject '{}'", words.substr(0, 200)),
                "write the subject as in the prompt, or use --set lookup=last");
  return end - 1;
}

std::vector<int64_t> lookup_positions(const Vlm& vlm, const EditRequest& request,
                                      const std::string& lookup, const ForcedBatch& forced) {
  const auto& row = forced.batch.rows.front();
  const auto size = static_cast<int64_t>(row.ids.size());
  const auto answer = forced.answer_begin.front();
  const bool known = !request.subject.empty();
  const auto kind = lookup != "auto"                    ? lookup
                    : known && !request.image.present() ? "subject"
                                                        : "answer";
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
