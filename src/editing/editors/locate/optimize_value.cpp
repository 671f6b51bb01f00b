#include "editing/editors/locate/optimize_value.h"

#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>

#include "editing/editors/locate/lookup.h"
#include "editing/optim/optimizer.h"
#include "editing/optim/sharpness.h"
#include "editing/targets/target_modules.h"
#include "io/error.h"
#include "models/caching/prefix.h"
#include "models/caching/row_prefixes.h"
#include "nn/loss.h"

namespace emend {
namespace {

// The contexts up to the stage of the site, and how their logits are read.
class ValueForward {
 public:
  ValueForward(const Vlm& vlm, const EditRequest& request, const EditContexts& contexts,
               const Site& site, const LocateSettings& settings, const EditContext& context)
      : model_(*vlm.model), site_(site), base_(context.base), contexts_(contexts.size()) {
    tokens_ = answer_tokens(contexts.forced).to(model_.device());
    bare_ = static_cast<int64_t>(contexts.forced.answers.front().size());
    if (contexts.lookup.empty())
      begin_with_pictures(vlm, contexts, context);
    else
      begin_at_lookup(vlm, request, contexts, settings, context);
  }

  // The site's output in the bare context: (n, out) float32.
  at::Tensor output() const {
    at::NoGradGuard no_grad;
    std::vector<at::Tensor> outputs;
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
    if (!positions_.defined())
      return at::cat(outputs).to(at::kFloat).reshape({contexts_, -1, site_.out})[0];
    const auto rows = outputs.front().flatten(0, 1);
    return rows.index_select(0, positions_.slice(0, 0, count_)).to(at::kFloat);
  }

  // The logits with the offset, (answer tokens + 1 with a KL row, V) float32.
  at::Tensor logits(const at::Tensor& offset) const {
    auto all = base_;
    int64_t pictures = 0;  // that ran before
    all.push_back(Intervention::output(site_.name, [&](const at::Tensor& y) {
      const auto added = offset.to(y.scalar_type());
      if (!positions_.defined()) {
        // The tiles of a picture are rows that follow each other, and can run one by one.
        const auto tiles = added.view({-1, y.size(1), y.size(2)});
        const auto index = at::arange(pictures, pictures + y.size(0), positions_options());
        pictures += y.size(0);
        return y + tiles.index_select(0, index.remainder(tiles.size(0)));
      }
      return y.flatten(0, 1)
          .index_add(0, positions_, added.index_select(0, offsets_))
          .view(y.sizes());
    }));
    auto pass = fresh();
    model_.run(pass, all);
    return pass.logits().to(at::kFloat);
  }

  // logits: as above, multiplied by `sharpness`.
  at::Tensor answer(const at::Tensor& logits, double sharpness) const {
    return answer_loss(logits.slice(0, 0, tokens_.size(0)) * sharpness, tokens_) / sharpness;
  }
  // Whether greedy generation gives the answer in the bare context.
  bool holds(const at::Tensor& logits) const {
    return logits.slice(0, 0, bare_).argmax(-1).eq(tokens_.slice(0, 0, bare_)).all().item<bool>();
  }
  bool has_kl() const { return kl_; }
  // Log-probabilities of the KL row.
  at::Tensor kl_row(const at::Tensor& logits) const { return at::log_softmax(logits[-1], 0); }

 private:
  // All of the picture's positions are changed, and everything after the site depends on them.
  void begin_with_pictures(const Vlm& vlm, const EditContexts& contexts,
                           const EditContext& context) {
    kept_ = forward_until(vlm, contexts.forced.batch, site_.stage, base_, context.store);
    kept_.logit_positions = answer_positions(contexts.forced).to(model_.device());
  }

  void begin_at_lookup(const Vlm& vlm, const EditRequest& request, const EditContexts& contexts,
                       const LocateSettings& settings, const EditContext& context) {
    auto batch = contexts.forced.batch;
    auto lookup = contexts.lookup_begins();
    if (settings.kl_factor > 0 && looks_up_subject(settings, request)) {
      auto row = vlm.processor.row(request.subject + " is a");
      lookup.push_back(last_token_of(vlm, row, request.subject));
      row.ids.resize(static_cast<size_t>(lookup.back()) + 1);
      batch.rows.push_back(std::move(row));
      kl_ = true;
    }
    // Nothing is before a lookup position at the start of a row, a picture is not divided, and
    // earlier edits that look at the whole prompt do not get a part of it.
    bool shared = std::all_of(base_.begin(), base_.end(), [](const Intervention& i) {
      return i.point == Point::weight || i.point == Point::logits;
    });
    for (size_t r = 0; r < lookup.size(); ++r) {
      const auto& ids = batch.rows[r].ids;
      shared = shared && lookup[r] > 0 &&
               std::find(ids.begin() + lookup[r], ids.end(), kImageToken) == ids.end();
    }
    const auto begins = shared ? lookup : std::vector<int64_t>(lookup.size(), 0);
    const auto language = model_.first_stage(Module::language);
    kept_ = shared ? run_row_prefixes(vlm, batch, begins, base_, context.store)
                   : forward_until(vlm, batch, language, base_, context.store);

    const auto width = kept_.ids.size(1);
    const auto rows = contexts.forced.answers.size();
    std::vector<int64_t> positions, offsets, predicting;
    for (size_t r = 0; r < rows; ++r) {
      const auto start = static_cast<int64_t>(r) * width - begins[r];
      for (size_t i = 0; i < contexts.lookup.size(); ++i) {
        positions.push_back(start + lookup[r] + contexts.lookup.front() - contexts.lookup[i]);
        offsets.push_back(static_cast<int64_t>(i));
      }
      for (size_t i = 0; i < contexts.forced.answers[r].size(); ++i)
        predicting.push_back(start + contexts.forced.answer_begin[r] + static_cast<int64_t>(i) - 1);
    }
    if (kl_) {
      positions.push_back(static_cast<int64_t>(rows) * width + lookup[rows] - begins[rows]);
      offsets.push_back(0);
      predicting.push_back(positions.back());
    }
    const auto device = model_.device();
    count_ = static_cast<int64_t>(contexts.lookup.size());
    positions_ = at::tensor(positions, at::kLong).to(device);
    offsets_ = at::tensor(offsets, at::kLong).to(device);
    kept_.logit_positions = at::tensor(predicting, at::kLong).to(device);
    at::NoGradGuard no_grad;
    if (kept_.next < site_.stage) model_.run(kept_, site_.stage - 1, base_);
  }

  at::TensorOptions positions_options() const {
    return at::dtype(at::kLong).device(model_.device());
  }

  // A copy of the pass, whose run does not change the cache.
  Pass fresh() const {
    auto pass = kept_;
    if (pass.cache) pass.cache = std::make_shared<KvCache>(*pass.cache);
    return pass;
  }

  const Model& model_;
  const Site& site_;
  const Interventions& base_;
  int64_t contexts_;
  Pass kept_;
  at::Tensor tokens_;  // (K) answer tokens of all contexts
  int64_t bare_;       // those of the bare context, which is the first
  // (M) positions in the flattened (rows * T) to which an offset is added, those of the bare
  // context first, and the index of the offset; undefined: offset i is added to position i of each
  // picture.
  at::Tensor positions_, offsets_;
  int64_t count_ = 0;  // n, the number of offsets
  bool kl_ = false;
};

}  // namespace

double EditValue::relative_norm() const {
  return offset.norm().item<double>() / output.norm().item<double>();
}

EditValue optimize_value(const Vlm& vlm, const EditRequest& request, const EditContexts& contexts,
                         const Site& site, const LocateSettings& settings,
                         const EditContext& context) {
  const ValueForward forward(vlm, request, contexts, site, settings, context);
  EditValue value;
  value.output = forward.output();
  const double norm = value.output.norm().item<double>();
  const double most = clamp_norm_factor(settings, request) * norm;
  const auto size = static_cast<double>(value.output.numel());
  const double lr = settings.lr > 0 ? settings.lr : 0.1 * most / std::sqrt(size);
  auto offset = at::zeros_like(value.output).requires_grad_();
  auto optimizer = make_optimizer("adam", {offset}, {lr, 0});
  at::Tensor before;
  double sharpness = 1;
  value.stop_reason = "step_limit";
  for (int64_t step = 0, limit = settings.steps;; ++step) {
    at::AutoGradMode gradients(settings.steps > 0);
    const auto logits = forward.logits(offset);
    const auto answer = forward.answer(logits, 1);
    value.losses.push_back(answer.item<double>());
    if (context.on_step) context.on_step(step, limit, value.losses.back());
    if (!std::isfinite(value.losses.back()))
      throw Error(
          "editing::locate",
          fmt::format("the loss of the value is {} after {} steps", value.losses.back(), step),
          "lower the learning rate (--set lr=...) or clamp_norm_factor");
    if (step == limit) {
      const bool sharpen = settings.steps > 0 && settings.adaptive && sharpness < kMaxSharpness &&
                           !forward.holds(logits.detach());
      if (!sharpen) break;
      sharpness *= kSharpness;
      limit += settings.steps;
      optimizer = make_optimizer("adam", {offset}, {lr, 0});
    }
    auto loss = sharpness == 1 ? answer : forward.answer(logits, sharpness);
    loss = loss + settings.weight_decay * offset.norm() / (norm * norm);
    if (forward.has_kl()) {
      const auto after = forward.kl_row(logits);
      if (step == 0) before = after.detach();
      loss = loss + settings.kl_factor * (before.exp() * (before - after)).sum();
    }
    if (loss.item<double>() < settings.stop_loss &&
        (!settings.adaptive || forward.holds(logits.detach()))) {
      value.stop_reason = "stop_loss";
      break;
    }
    const auto gradient = torch::autograd::grad({loss}, {offset}, {}, false, false, true).at(0);
    if (!gradient.defined() || (step == 0 && !at::count_nonzero(gradient).is_nonzero()))
      throw Error("editing::locate",
                  "the answer does not depend on " + site.name + " at the position of the key",
                  "choose an earlier block (--set layers=...), or another key (--set lookup=last)");
    optimizer->step({gradient});
    at::NoGradGuard no_grad;
    const double length = offset.norm().item<double>();
    value.clamped = length > most;
    if (value.clamped) offset.mul_(most / length);
  }
  value.offset = offset.detach() * settings.offset_scale;
  return value;
}

}  // namespace emend
