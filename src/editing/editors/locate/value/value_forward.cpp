#include "editing/editors/locate/value/value_forward.h"

#include <algorithm>

#include "editing/editors/locate/contexts/lookup.h"
#include "io/error.h"
#include "models/caching/prefix.h"
#include "models/caching/row_prefixes.h"

namespace emend {
namespace {

// Appends the rows and pictures of another batch.
void append_batch(Batch& batch, const Batch& other) {
  const auto pictures = batch.pixels.size();
  batch.pixels.append(other.pixels);
  for (auto row : other.rows) {
    for (auto& image : row.images) image += pictures;
    batch.rows.push_back(std::move(row));
  }
}

}  // namespace

bool ValueForward::can_join(const EditContexts& edit, const Interventions& base) {
  // Earlier edits that look at the whole prompt do not get a part of it.
  const bool whole = std::any_of(base.begin(), base.end(), [](const Intervention& i) {
    return i.point != Point::weight && i.point != Point::logits;
  });
  if (whole || edit.lookup.empty()) return false;
  const auto& ids = edit.forced.batch.rows.front().ids;
  return std::find(ids.end() - edit.lookup.front(), ids.end(), kImageToken) == ids.end();
}

ValueForward::ValueForward(const Vlm& vlm, const std::vector<const EditContexts*>& edits,
                           const Site& site, const LocateSettings& settings,
                           const EditContext& context)
    : vlm_(vlm),
      model_(*vlm.model),
      site_(site),
      base_(context.base),
      coordinates_(edits.front()->coordinates) {
  run_shared_positions(edits, settings, context);
  index_positions();
}

void ValueForward::run_shared_positions(const std::vector<const EditContexts*>& edits,
                                        const LocateSettings& settings,
                                        const EditContext& context) {
  const bool joined = can_join(*edits.front(), base_);
  Batch batch;
  std::vector<int64_t> begins;  // (rows) the first position of a row that depends on its offset
  for (const auto* edit : edits) {
    const auto& forced = edit->forced;
    EditRows of_edit;
    of_edit.rows = edit->size();
    of_edit.offsets = static_cast<int64_t>(edit->lookup.size());
    auto lookup = edit->lookup.empty() ? std::vector<int64_t>(forced.answers.size(), 0)
                                       : edit->lookup_begins();
    auto own = forced.batch;
    if (settings.kl_factor > 0 && has_subject_key(settings, edit->request)) {
      auto row = vlm_.processor.row(edit->request.subject + " is a");
      lookup.push_back(last_token_of(vlm_, row, edit->request.subject));
      row.ids.resize(static_cast<size_t>(lookup.back()) + 1);
      own.rows.push_back(std::move(row));
      ++of_edit.rows;
    }
    for (size_t r = 0; r < lookup.size(); ++r) {
      begins.push_back(joined ? lookup[r] : 0);
      const auto row = static_cast<int64_t>(r), begin = lookup[r] - begins.back();
      if (r == forced.answers.size()) {  // the row of the KL divergence
        of_edit.changed.push_back({row, begin});
        of_edit.predicting.push_back({row, begin});
        continue;
      }
      for (size_t i = 0; i < edit->lookup.size(); ++i)
        of_edit.changed.push_back(
            {row, begin + edit->lookup.front() - edit->lookup[i], static_cast<int64_t>(i)});
      for (size_t i = 0; i < forced.answers[r].size(); ++i)
        of_edit.predicting.push_back(
            {row, forced.answer_begin[r] - begins.back() + static_cast<int64_t>(i) - 1});
      // Nothing is predicted from the last token of the answer.
      if (joined) own.rows[r].ids.pop_back();
    }
    edits_.push_back(std::move(of_edit));
    append_batch(batch, own);
  }
  // Everything after the site depends on pictures that are changed.
  const auto language = model_.first_stage(Module::language);
  const auto first = edits_.front().offsets > 0 ? language : site_.stage;
  start_ = joined ? run_row_prefixes(vlm_, batch, begins, base_, context.store)
                  : forward_until(vlm_, batch, first, base_, context.store);
  at::NoGradGuard no_grad;
  if (start_.next < site_.stage) model_.run(start_, site_.stage - 1, base_);
}

void ValueForward::index_positions() {
  const auto width = start_.ids.size(1);
  std::vector<int64_t> positions, offsets, predicting;
  int64_t row = 0, offset = 0;
  for (const auto& edit : edits_) {
    for (const auto& at : edit.changed) {
      positions.push_back((row + at.row) * width + at.column);
      offsets.push_back(offset + at.offset);
    }
    for (const auto& at : edit.predicting) predicting.push_back((row + at.row) * width + at.column);
    row += edit.rows;
    offset += edit.offsets;
  }
  start_.logit_positions = to_index(predicting);
  if (offset == 0) return;
  positions_ = to_index(positions);
  offsets_ = to_index(offsets);
}

std::vector<at::Tensor> ValueForward::outputs() const {
  at::NoGradGuard no_grad;
  std::vector<at::Tensor> outputs;  // pictures can run one by one
  auto all = base_;
  all.push_back(Intervention::output(site_.name, [&](const at::Tensor& y) {
    outputs.push_back(y);
    return y;
  }));
  auto pass = fresh();
  model_.run(pass, site_.stage, all);
  if (outputs.empty())
    throw Error("editing::locate", "the prompt does not pass through " + site_.name,
                "without a picture, only layers of the language module can be edited");
  const auto y = at::cat(outputs).to(at::kFloat);
  if (!positions_.defined()) return {y.reshape({edits_.front().rows, -1, site_.out})[0]};
  const auto changed = y.flatten(0, 1).index_select(0, positions_);
  std::vector<at::Tensor> bare;  // the bare context is the first row of an edit
  int64_t begin = 0;
  for (const auto& edit : edits_) {
    bare.push_back(changed.narrow(0, begin, edit.offsets));
    begin += static_cast<int64_t>(edit.changed.size());
  }
  return bare;
}

std::vector<at::Tensor> ValueForward::logits(const std::vector<at::Tensor>& offsets) const {
  const auto offset = at::cat(offsets);
  auto all = base_;
  int64_t pictures = 0;  // that ran before
  all.push_back(Intervention::output(site_.name, [&](const at::Tensor& y) {
    const auto added = offset.to(y.scalar_type());
    if (!positions_.defined()) {
      // The tiles of a picture are rows that follow each other, and can run one by one.
      if (coordinates_.defined()) {
        const auto rows = coordinates_.view({-1, y.size(1), added.size(0)})
                              .slice(0, pictures, pictures + y.size(0));
        pictures += y.size(0);
        return y + at::matmul(rows.to(y.scalar_type()), added);
      }
      const auto tiles = added.view({-1, y.size(1), y.size(2)});
      const auto index =
          at::arange(pictures, pictures + y.size(0), at::dtype(at::kLong).device(y.device()));
      pictures += y.size(0);
      return y + tiles.index_select(0, index.remainder(tiles.size(0)));
    }
    return y.flatten(0, 1)
        .index_add(0, positions_, added.index_select(0, offsets_))
        .view(y.sizes());
  }));
  auto pass = fresh();
  model_.run(pass, all);
  std::vector<int64_t> sizes;
  for (const auto& edit : edits_) sizes.push_back(static_cast<int64_t>(edit.predicting.size()));
  return pass.logits().to(at::kFloat).split_with_sizes(sizes);
}

void ValueForward::keep(const std::vector<size_t>& edits) {
  if (edits.size() == edits_.size()) return;
  std::vector<EditRows> kept;
  std::vector<int64_t> rows;
  int64_t begin = 0;
  for (size_t e = 0, next = 0; e < edits_.size(); begin += edits_[e++].rows) {
    if (next == edits.size() || edits[next] != e) continue;
    ++next;
    for (int64_t r = 0; r < edits_[e].rows; ++r) rows.push_back(begin + r);
    kept.push_back(edits_[e]);
  }
  edits_ = std::move(kept);
  if (edits_.empty()) return;
  const auto index = to_index(rows);
  const auto select = [&](at::Tensor& tensor) {
    if (tensor.defined()) tensor = tensor.index_select(0, index);
  };
  // The pass is after the embedding of the language module, so pictures no longer matter.
  for (auto* tensor : {&start_.ids, &start_.mask, &start_.segments, &start_.positions,
                       &start_.prompt_lengths, &start_.hidden, &start_.features, &start_.attention})
    select(*tensor);
  if (auto& axes = start_.rotary_positions; axes.defined()) axes = axes.index_select(1, index);
  start_ = fresh();
  if (start_.cache)
    for (auto* blocks : {&start_.cache->keys, &start_.cache->values})
      for (auto& block : *blocks) select(block);
  index_positions();
}

// A copy of the pass, whose run does not change the cache.
Pass ValueForward::fresh() const {
  auto pass = start_;
  if (pass.cache) pass.cache = std::make_shared<KvCache>(*pass.cache);
  return pass;
}

at::Tensor ValueForward::to_index(const std::vector<int64_t>& values) const {
  return at::tensor(values, at::kLong).to(model_.device());
}

}  // namespace emend
