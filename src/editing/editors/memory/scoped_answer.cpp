#include "editing/editors/memory/scoped_answer.h"

#include <fmt/format.h>

#include "io/error.h"
#include "models/generation/decode_step.h"

namespace emend {

ScopedAnswer::ScopedAnswer(const Model& model, const Pass& pass, const Batch& batch,
                           const at::Tensor& image_features, const ScopedRows& scoped,
                           Interventions changes)
    : changes_(std::move(changes)) {
  const auto device = model.device();
  rows_ = at::tensor(scoped.rows, at::kLong).to(device);
  if (empty()) return;
  std::vector<int64_t> index(batch.rows.size(), -1);  // of a row in `scoped`
  std::vector<Row> rows;
  for (const auto row : scoped.rows) {
    index[static_cast<size_t>(row)] = static_cast<int64_t>(rows.size());
    rows.push_back(batch.rows[static_cast<size_t>(row)]);
  }
  auto made = counterfactual_pass(model, {batch.pixels, rows}, scoped.prefixes, image_features,
                                  scoped.projections, pass.cache ? PadSide::left : PadSide::right);
  const auto width = pass.ids.size(1);
  const auto wanted =
      (pass.logit_positions.defined() ? pass.logit_positions
                                      : at::arange(pass.ids.numel(), pass.ids.options()))
          .to(at::kCPU)
          .contiguous();
  const auto mask = pass.mask.to(at::kCPU).contiguous();
  std::vector<int64_t> lines, row_of, positions;
  for (int64_t line = 0; line < wanted.size(0); ++line) {
    const auto at = wanted.data_ptr<int64_t>()[line];
    const auto row = index[static_cast<size_t>(at / width)];
    if (row < 0 || !mask.data_ptr<bool>()[at]) continue;
    int64_t offset = 0;  // positions before the index in its row, without padding
    for (auto t = at / width * width; t < at; ++t) offset += mask.data_ptr<bool>()[t];
    lines.push_back(line);
    row_of.push_back(row);
    positions.push_back(made.position(row, offset));
  }
  lines_ = at::tensor(lines, at::kLong).to(device);
  row_of_ = at::tensor(row_of, at::kLong).to(device);
  pass_ = std::move(made.pass);
  pass_.logit_positions = at::tensor(positions, at::kLong).to(device);
  if (pass.cache) pass_.cache = std::make_shared<KvCache>();
  model.run(pass_, changes_);
}

void ScopedAnswer::next(const Model& model, const Pass& pass) {
  if (empty()) return;
  if (pass_.positions.max().item<int64_t>() + 1 >= model.max_positions())
    throw Error("editing::memory",
                fmt::format("an answer after an inserted edit exceeds the model's {} positions",
                            model.max_positions()),
                "generate fewer tokens (--max-new-tokens)");
  pass_ = decode_step(model, pass_, pass.ids.select(1, -1).index_select(0, rows_));
  lines_ = rows_;
  row_of_ = at::arange(rows_.size(0), rows_.options());
  model.run(pass_, changes_);
}

at::Tensor ScopedAnswer::replaced(const at::Tensor& logits, const at::Tensor& lines) const {
  const auto flat = logits.reshape({-1, logits.size(-1)});
  return flat.index_copy(0, lines_, lines.to(flat.scalar_type())).view(logits.sizes());
}

}  // namespace emend
