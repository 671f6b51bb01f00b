#include <fmt/format.h>

#include <algorithm>

#include "io/error.h"
#include "models/prompting/request_batch.h"
#include "models/vlm.h"

namespace emend {

std::vector<ForcedRow> teacher_force(const Vlm& vlm, const std::vector<Query>& queries,
                                     const std::vector<std::string>& targets,
                                     const Interventions& interventions) {
  if (queries.size() != targets.size())
    throw Error("models::teacher_force",
                fmt::format("there are {} queries, but {} targets", queries.size(), targets.size()),
                "give one target for each query");
  if (queries.empty()) return {};
  at::NoGradGuard no_grad;
  auto batch = request_batch(vlm, queries, interventions);
  std::vector<ForcedRow> forced(queries.size());
  for (size_t r = 0; r < forced.size(); ++r) {
    auto& ids = batch.rows[r].ids;
    forced[r].num_image_tokens = std::count(ids.begin(), ids.end(), kImageToken);
    forced[r].answer_begin = static_cast<int64_t>(ids.size()) - forced[r].num_image_tokens;
    if (batch.rows[r].prompt_length < 0)
      batch.rows[r].prompt_length = static_cast<int64_t>(ids.size());
    for (int64_t id : vlm.processor.target(targets[r])) ids.push_back(id);
    auto& segments = batch.rows[r].segments;
    if (!segments.empty()) segments.resize(ids.size(), segments.back());
    std::copy_if(ids.begin(), ids.end(), std::back_inserter(forced[r].tokens),
                 [](int64_t id) { return id != kImageToken; });
  }
  auto pass = vlm.model->collate(batch, PadSide::right);
  vlm.model->run(pass, interventions);
  const auto logits = pass.logits().to(at::kFloat);
  for (size_t r = 0; r < forced.size(); ++r)
    forced[r].logits = logits[r].slice(0, 0, batch.rows[r].ids.size());
  return forced;
}

}  // namespace emend
