#include "editing/training/forced.h"

#include <algorithm>
#include <map>

#include "io/error.h"
#include "io/strings/blank.h"
#include "models/prompting/image_batch.h"

namespace emend {

ForcedBatch force(const Vlm& vlm, const std::vector<TargetQuery>& queries, bool end_of_answer) {
  if (queries.empty())
    throw Error("editing::forced", "there are no questions",
                "this is an internal error; please report it");
  ForcedBatch forced;
  std::map<std::pair<std::string, const Image*>, size_t> known;
  ImageBatch pictures;
  for (const auto& query : queries) {
    Row row;
    if (query.image.present()) {
      const std::pair key(query.image.path, query.image.drawn.get());
      auto found = known.find(key);
      if (found == known.end())
        found = known.emplace(key, pictures.add(vlm.processor.tiles(query.image.load()))).first;
      row = pictures.row(vlm.processor, query.prompt, {found->second});
    } else {
      row = vlm.processor.row(query.prompt);
    }
    auto answer = vlm.processor.target(query.target);
    if (end_of_answer && !vlm.processor.stop_tokens.empty())
      answer.push_back(vlm.processor.stop_tokens.front());
    forced.answer_begin.push_back(static_cast<int64_t>(row.ids.size()));
    row.prompt_length = forced.answer_begin.back();
    row.ids.insert(row.ids.end(), answer.begin(), answer.end());
    if (!row.segments.empty()) row.segments.resize(row.ids.size(), row.segments.back());
    forced.width = std::max(forced.width, static_cast<int64_t>(row.ids.size()));
    forced.answers.push_back(std::move(answer));
    forced.batch.rows.push_back(std::move(row));
  }
  forced.batch.pixels = pictures.pixels();
  return forced;
}

ForcedBatch force_edits(const Vlm& vlm, const std::vector<EditRequest>& requests,
                        bool end_of_answer) {
  std::vector<TargetQuery> queries;
  for (const auto& request : requests) {
    if (is_blank(request.target))
      throw Error("editing::forced", "the target of the edit is empty", "give the desired answer");
    queries.push_back({request.image, request.prompt, request.target});
  }
  return force(vlm, queries, end_of_answer);
}

at::Tensor answer_positions(const ForcedBatch& forced) {
  std::vector<int64_t> positions;
  for (size_t r = 0; r < forced.answers.size(); ++r)
    for (size_t i = 0; i < forced.answers[r].size(); ++i)
      positions.push_back(static_cast<int64_t>(r) * forced.width + forced.answer_begin[r] +
                          static_cast<int64_t>(i) - 1);
  return at::tensor(positions, at::kLong);
}

at::Tensor answer_tokens(const ForcedBatch& forced) {
  std::vector<int64_t> tokens;
  for (const auto& answer : forced.answers)
    tokens.insert(tokens.end(), answer.begin(), answer.end());
  return at::tensor(tokens, at::kLong);
}

}  // namespace emend
