#include "editing/editors/memory/prompt_answers.h"

#include <algorithm>

#include "editing/editors/last_prompt_positions.h"
#include "editing/editors/memory/counterfactual.h"

namespace emend {

at::Tensor prompt_answers(const Model& model, const Batch& batch,
                          const at::Tensor& image_features) {
  const EditPrefix none;
  auto rows = batch.rows;
  for (auto& row : rows) {
    const auto size = static_cast<int64_t>(row.ids.size());
    const auto prompt = row.prompt_length < 0 ? size : std::min(row.prompt_length, size);
    row.ids.resize(static_cast<size_t>(prompt));
    if (!row.segments.empty()) row.segments.resize(static_cast<size_t>(prompt));
  }
  const std::vector<const EditPrefix*> prefixes(rows.size(), &none);
  auto made = counterfactual_pass(model, {batch.pixels, rows}, prefixes, image_features, {},
                                  PadSide::right);
  std::vector<int64_t> ends;
  for (size_t r = 0; r < rows.size(); ++r)
    ends.push_back(
        made.position(static_cast<int64_t>(r), static_cast<int64_t>(rows[r].ids.size()) - 1));
  made.pass.logit_positions = at::tensor(ends, at::kLong).to(model.device());
  model.run(made.pass);
  return made.pass.logits().to(at::kFloat);
}

at::Tensor prompt_ends(const Pass& pass) {
  const auto last = pass.prompt_lengths.defined()
                        ? last_prompt_positions(pass)
                        : pass.positions == pass.positions.amax(1, /*keepdim=*/true);
  return last.to(at::kLong).argmax(1);
}

at::Tensor prompt_answers(const Pass& pass, const at::Tensor& logits) {
  const auto width = pass.positions.size(1);
  const auto index = prompt_ends(pass);
  const auto ends = at::arange(index.size(0), index.options()) * width + index;
  if (!pass.logit_positions.defined())
    return logits.flatten(0, 1).index_select(0, ends).to(at::kFloat);
  const auto found = ends.unsqueeze(1) == pass.logit_positions.unsqueeze(0);  // (B, K)
  if (!found.any(1).all().item<bool>()) return {};
  return logits.index_select(0, found.to(at::kLong).argmax(1)).to(at::kFloat);
}

}  // namespace emend
