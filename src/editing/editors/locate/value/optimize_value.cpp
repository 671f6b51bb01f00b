#include "editing/editors/locate/value/optimize_value.h"

#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "editing/editors/locate/value/value_forward.h"
#include "editing/optim/optimizer.h"
#include "editing/optim/sharpness.h"
#include "io/error.h"
#include "nn/loss.h"

namespace emend {
namespace {

// The length of a step of a change, relative to the norm of the output at one position.
constexpr double kChangeStep = 0.0015;
// The default limit of the disturbance of other pictures.
constexpr double kLargestChange = 0.04;

// The optimization of the value of one edit.
class ValueOptimization {
 public:
  ValueOptimization(const EditContexts& edit, const Site& site, const at::Tensor& output,
                    const LocateSettings& settings)
      : site_(site),
        settings_(settings),
        tokens_(answer_tokens(edit.forced).to(output.device())),
        bare_(static_cast<int64_t>(edit.forced.answers.front().size())),
        norm_(output.norm().item<double>()),
        coordinates_(edit.coordinates),
        limit_(settings.steps) {
    value_.output = output;
    if (coordinates_.defined()) {
      norm_ /= std::sqrt(static_cast<double>(output.size(0)));
      variable_ = at::zeros({coordinates_.size(2), output.size(1)}, output.options());
    } else {
      variable_ = at::zeros_like(output);
    }
    variable_.requires_grad_();
    const bool own_limit = coordinates_.defined() && settings.clamp_norm_factor == 0;
    most_ = (own_limit ? kLargestChange : clamp_norm_factor(settings, edit.request)) * norm_;
    value_.stop_reason = "step_limit";
    start_optimizer();
  }

  // The offset, or the change.
  const at::Tensor& variable() const { return variable_; }
  int64_t steps() const { return static_cast<int64_t>(value_.losses.size()) - 1; }
  int64_t limit() const { return limit_; }
  double answer_loss() const { return value_.losses.back(); }

  // The loss for these logits of ValueForward with the present offset. Undefined if the
  // optimization is finished.
  at::Tensor loss(const at::Tensor& logits) {
    const auto answer = answer_loss(logits, 1);
    value_.losses.push_back(answer.item<double>());
    if (!std::isfinite(answer_loss()))
      throw Error("editing::locate",
                  fmt::format("the loss of the value is {} after {} steps", answer_loss(), steps()),
                  "lower the learning rate (--set lr=...) or clamp_norm_factor");
    if (steps() == limit_ && !sharpen(logits)) return {};
    auto loss = sharpness_ == 1 ? answer : answer_loss(logits, sharpness_);
    if (!coordinates_.defined())
      loss = loss + settings_.weight_decay * variable_.norm() / (norm_ * norm_);
    if (logits.size(0) > tokens_.size(0)) {
      const auto after = at::log_softmax(logits[-1], 0);
      if (steps() == 0) before_ = after.detach();
      loss = loss + settings_.kl_factor * (before_.exp() * (before_ - after)).sum();
    }
    if (loss.item<double>() < settings_.stop_loss && (!settings_.adaptive || holds(logits))) {
      value_.stop_reason = "stop_loss";
      return {};
    }
    return loss;
  }

  void step(const at::Tensor& gradient) {
    if (!gradient.defined() || (steps() == 0 && !at::count_nonzero(gradient).is_nonzero()))
      throw Error("editing::locate",
                  "the answer does not depend on " + site_.name + " at the position of the key",
                  "choose an earlier block (--set layers=...), or another key (--set lookup=last)");
    at::NoGradGuard no_grad;
    if (coordinates_.defined())
      variable_.sub_(gradient, (settings_.lr > 0 ? settings_.lr : kChangeStep) * norm_ /
                                   std::max(gradient.norm().item<double>(), 1e-30));
    else
      optimizer_->step({gradient});
    const double length = variable_.norm().item<double>();
    value_.clamped = length > most_;
    if (value_.clamped) variable_.mul_(most_ / length);
  }

  EditValue finish() {
    at::NoGradGuard no_grad;
    const auto found = variable_.detach() * settings_.offset_scale;
    if (coordinates_.defined()) {
      value_.change = found;
      value_.offset = at::matmul(coordinates_[0], found);
      value_.disturbance = found.norm().item<double>() / norm_;
    } else {
      value_.offset = found;
    }
    return std::move(value_);
  }

 private:
  void start_optimizer() {
    if (coordinates_.defined()) return;  // steps of steepest descent have no state
    const auto size = static_cast<double>(value_.output.numel());
    const double lr = settings_.lr > 0 ? settings_.lr : 0.1 * most_ / std::sqrt(size);
    optimizer_ = make_optimizer("adam", {variable_}, {lr, 0});
  }

  // Continues with sharper logits if the answer does not hold.
  bool sharpen(const at::Tensor& logits) {
    if (settings_.steps == 0 || !settings_.adaptive || sharpness_ >= kMaxSharpness || holds(logits))
      return false;
    sharpness_ *= kSharpness;
    limit_ += settings_.steps;
    start_optimizer();
    return true;
  }

  at::Tensor answer_loss(const at::Tensor& logits, double sharpness) const {
    return emend::answer_loss(logits.slice(0, 0, tokens_.size(0)) * sharpness, tokens_) / sharpness;
  }
  // Whether greedy generation gives the answer in the bare context.
  bool holds(const at::Tensor& logits) const {
    return logits.detach()
        .slice(0, 0, bare_)
        .argmax(-1)
        .eq(tokens_.slice(0, 0, bare_))
        .all()
        .item<bool>();
  }

  const Site& site_;
  const LocateSettings& settings_;
  at::Tensor tokens_;       // (K) answer tokens of all contexts
  int64_t bare_;            // those of the bare context, which is the first
  double norm_, most_ = 0;  // of the output; with a change, of one position
  at::Tensor coordinates_;  // see EditContexts
  at::Tensor variable_;     // (n, out) the offset or the change
  int64_t limit_;
  double sharpness_ = 1;
  at::Tensor before_;  // log-probabilities without the offset, for the KL divergence
  std::unique_ptr<Optimizer> optimizer_;
  EditValue value_;
};

std::vector<EditValue> optimize_together(const Vlm& vlm,
                                         const std::vector<const EditContexts*>& edits,
                                         const Site& site, const LocateSettings& settings,
                                         const EditContext& context) {
  ValueForward forward(vlm, edits, site, settings, context);
  std::vector<ValueOptimization> all;
  const auto outputs = forward.outputs();
  for (size_t e = 0; e < edits.size(); ++e) all.emplace_back(*edits[e], site, outputs[e], settings);
  std::vector<ValueOptimization*> active;
  for (auto& edit : all) active.push_back(&edit);
  while (!active.empty()) {
    at::AutoGradMode gradients(settings.steps > 0);
    std::vector<at::Tensor> offsets;
    for (const auto* edit : active) offsets.push_back(edit->variable());
    const auto logits = forward.logits(offsets);
    std::vector<size_t> unfinished;
    std::vector<at::Tensor> losses, leaves;
    double mean = 0;
    for (size_t a = 0; a < active.size(); ++a) {
      const auto loss = active[a]->loss(logits[a]);
      mean += active[a]->answer_loss() / static_cast<double>(active.size());
      if (!loss.defined()) continue;
      unfinished.push_back(a);
      losses.push_back(loss);
      leaves.push_back(offsets[a]);
    }
    if (context.on_step) context.on_step(active[0]->steps(), active[0]->limit(), mean);
    std::vector<ValueOptimization*> rest;
    for (const auto a : unfinished) rest.push_back(active[a]);
    active = rest;
    if (active.empty()) break;
    // The loss of an edit depends on its own offset only.
    const auto found = torch::autograd::grad(losses, leaves, {}, false, false, true);
    for (size_t a = 0; a < active.size(); ++a) active[a]->step(found[a]);
    forward.keep(unfinished);
  }
  std::vector<EditValue> values;
  for (auto& edit : all) values.push_back(edit.finish());
  return values;
}

// The indices of the edits that run together. Edits of similar length have little padding.
std::vector<std::vector<size_t>> value_batches(const std::vector<EditContexts>& edits, int64_t most,
                                               const Interventions& base) {
  std::vector<size_t> order(edits.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto length = [&](size_t e) {
    return ValueForward::can_join(edits[e], base) ? edits[e].lookup.front() : 0;
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return length(a) < length(b); });
  std::vector<std::vector<size_t>> batches;
  for (const auto e : order) {
    const bool joins = !batches.empty() && length(batches.back().front()) > 0 &&
                       batches.back().size() < static_cast<size_t>(most);
    if (!joins) batches.emplace_back();
    batches.back().push_back(e);
  }
  return batches;
}

}  // namespace

double EditValue::relative_norm() const {
  return offset.norm().item<double>() / output.norm().item<double>();
}

std::vector<EditValue> optimize_values(const Vlm& vlm, const std::vector<EditContexts>& edits,
                                       const Site& site, const LocateSettings& settings,
                                       const EditContext& context) {
  std::vector<EditValue> values(edits.size());
  for (const auto& batch : value_batches(edits, settings.value_batch, context.base)) {
    std::vector<const EditContexts*> together;
    for (const auto e : batch) together.push_back(&edits[e]);
    auto found = optimize_together(vlm, together, site, settings, context);
    for (size_t i = 0; i < batch.size(); ++i) values[batch[i]] = std::move(found[i]);
  }
  return values;
}

}  // namespace emend
