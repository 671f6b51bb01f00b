#include "editing/editors/optimize_deltas.h"

#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "editing/editors/failed_tokens.h"
#include "editing/optim/adaptive_rate.h"
#include "editing/optim/optimizer.h"
#include "editing/optim/sharpness.h"
#include "editing/training/forced.h"
#include "io/error.h"
#include "models/caching/prefix.h"
#include "nn/loss.h"

namespace emend {
namespace {

bool all_zero(const at::Tensor& tensor) {
  return !tensor.defined() || !at::count_nonzero(tensor).is_nonzero();
}

// Whether the delta is zero. The product up @ down is not computed.
bool is_null(const WeightDelta& delta) {
  return delta.low_rank() ? all_zero(delta.up) || all_zero(delta.down) : all_zero(delta.dense);
}

WeightDelta detached(const WeightDelta& delta) {
  auto plain = [](const at::Tensor& tensor) { return tensor.defined() ? tensor.detach() : tensor; };
  return {plain(delta.dense), plain(delta.up), plain(delta.down)};
}

Interventions with_deltas(const Interventions& base, const std::vector<SiteDelta>& deltas) {
  auto all = base;
  for (auto& change : on_weights(deltas)) all.push_back(std::move(change));
  return all;
}

// For each answer token, the index of the logits row that predicts it. There is one logits row for
// each answer token. `prompt_last`: the row of the first token of the answer predicts all its
// tokens.
at::Tensor predicting_rows(const ForcedBatch& forced, bool prompt_last) {
  std::vector<int64_t> rows;
  int64_t begin = 0;
  for (const auto& answer : forced.answers) {
    const auto length = static_cast<int64_t>(answer.size());
    for (int64_t i = 0; i < length; ++i) rows.push_back(prompt_last ? begin : begin + i);
    begin += length;
  }
  return at::tensor(rows, at::kLong);
}

// The inputs of all steps: the pass before the first changed stage, and the answer tokens.
struct Problem {
  Pass kept;
  at::Tensor tokens;                          // (K) answer tokens
  at::Tensor rows;                            // (K) the logits row that predicts each token
  std::vector<std::vector<int64_t>> answers;  // the same tokens by request
};

Problem pose(const Vlm& vlm, const std::vector<EditRequest>& requests, const EditContext& context,
             size_t first, const DeltaOptimizerSettings& settings) {
  refuse_request_edits(context);
  auto forced = force_edits(vlm, requests, settings.end_of_answer);
  const auto device = vlm.model->device();
  Problem problem;
  problem.tokens = answer_tokens(forced).to(device);
  problem.rows = predicting_rows(forced, settings.objective == "prompt_last").to(device);
  problem.answers = forced.answers;
  problem.kept = forward_until(vlm, forced.batch, first, context.base, context.store);
  problem.kept.logit_positions = answer_positions(forced).to(device);
  return problem;
}

// The answer of the model with the current weights.
struct TunedAnswer {
  double loss = 0;       // nats per token
  double objective = 0;  // the minimized loss, which may be that of multiplied logits
  bool holds = false;
  std::vector<int64_t> predicted = {};  // (K) the target's token, or the token that is preferred

  bool better_than(const TunedAnswer& other) const {
    if (!std::isfinite(objective) || !std::isfinite(other.objective))
      return std::isfinite(objective);
    return holds == other.holds ? objective < other.objective : holds;
  }
};

// The answer holds if every token is the most likely one by a margin. The margin is larger than the
// rounding differences of generation token by token and of other machines, so that greedy
// generation gives the answer. logits: (K, V) float32, from a model that computes in `dtype`;
// tokens: (K).
TunedAnswer judge(const at::Tensor& logits, const at::Tensor& tokens, at::ScalarType dtype) {
  const auto index = tokens.unsqueeze(1);
  const auto expected = logits.gather(1, index).squeeze(1);
  const auto others = logits.scatter(1, index, -std::numeric_limits<float>::infinity());
  const double precision = dtype == at::kBFloat16 ? 0x1p-7 : dtype == at::kHalf ? 0x1p-10 : 0x1p-23;
  const auto tolerance = logits.abs().amax(1) * (8 * precision) + 0.01;
  const auto ahead = expected - others.amax(1) > tolerance;
  const auto predicted = at::where(ahead, tokens, others.argmax(1)).to(at::kCPU).contiguous();
  const auto* first = predicted.data_ptr<int64_t>();
  return {0, 0, ahead.all().item<bool>(), {first, first + predicted.numel()}};
}

bool finite(const std::vector<at::Tensor>& leaves) {
  return std::all_of(leaves.begin(), leaves.end(), [](const at::Tensor& leaf) {
    return at::isfinite(leaf.detach().sum()).item<bool>();
  });
}

// The best weights so far. Weights with which the answer holds come first, then the lowest loss.
struct Best {
  TunedAnswer answer = {std::nan(""), std::nan("")};
  std::vector<at::Tensor> leaves;

  void take(const TunedAnswer& found, const std::vector<at::Tensor>& now) {
    if (!found.better_than(answer)) return;
    at::NoGradGuard no_grad;
    answer = found;
    leaves.resize(now.size());
    for (size_t i = 0; i < now.size(); ++i)
      if (leaves[i].defined())
        leaves[i].copy_(now[i]);
      else
        leaves[i] = now[i].detach().clone();
  }
  void restore(const std::vector<at::Tensor>& now) const {
    at::NoGradGuard no_grad;
    for (size_t i = 0; i < now.size(); ++i) now[i].detach().copy_(leaves[i]);
  }
};

// At most 200 of the losses, including the last one. A loss that is not finite becomes null.
nlohmann::json thinned(const std::vector<double>& losses) {
  const size_t stride = (losses.size() + 199) / 200;
  auto kept = nlohmann::json::array();
  for (size_t i = (losses.size() - 1) % stride; i < losses.size(); i += stride)
    kept.push_back(std::isfinite(losses[i]) ? nlohmann::json(losses[i]) : nlohmann::json());
  return kept;
}

}  // namespace

void DeltaOptimizerSettings::declare(SettingList& list, const char* lr_meaning) {
  list.choice("optimizer", optimizer, optimizer_names(), "optimizer of the change");
  list.whole("steps", steps, 0, 100000, "maximum number of steps");
  list.number("lr", lr, 0, 1000, lr_meaning);
  list.number("weight_decay", weight_decay, 0, 10,
              "weight decay of the change (not of the model's weight)");
  list.number("clip", clip, 0, 1e9, "maximum norm of the gradient; 0: unlimited");
  list.number("stop_loss", stop_loss, 0, 1e9,
              "stop when the answer holds and its loss (nats per token) is below this value; 0: "
              "only after all steps");
  list.flag("end_of_answer", end_of_answer, "also train the end-of-answer token after the target");
  list.choice("objective", objective, {"target", "prompt_last"},
              "predict each target token at its position, or all of them at the last prompt token "
              "(EasyEdit's FT-L)");
  list.flag("adaptive", adaptive,
            "adapt the learning rate to the loss and keep the best weights; default: false if lr "
            "is given");
  list.whole("seed", seed, 0, INT64_MAX, "random seed");
}

void DeltaOptimizerSettings::complete(const nlohmann::json& given, double own_lr) {
  if (lr > 0 && !given.contains("adaptive")) adaptive = false;
  if (lr == 0) lr = own_lr;
}

Patch optimize_deltas(const Editor& editor, const Vlm& vlm,
                      const std::vector<EditRequest>& requests, const EditContext& context,
                      size_t first, const DeltaOptimizerSettings& settings,
                      const DeltaParameters& parameters) {
  const auto problem = pose(vlm, requests, context, first, settings);
  auto optimize = [&](double lr) {
    return make_optimizer(settings.optimizer, parameters.leaves, {lr, settings.weight_decay});
  };
  auto optimizer = optimize(settings.lr);
  AdaptiveRate rate(settings.lr);
  double sharpness = 1;
  std::vector<double> losses;
  Best best;
  TunedAnswer answer;
  std::string reason = "step_limit";
  int64_t step = 0;
  for (;; ++step) {
    at::AutoGradMode gradients(step < settings.steps);
    Pass pass = problem.kept;
    vlm.model->run(pass, with_deltas(context.base, parameters.read()));
    auto logits = pass.logits().to(at::kFloat);  // (K, V)
    auto predicting = logits.index_select(0, problem.rows);
    auto loss = answer_loss(predicting * sharpness, problem.tokens) / sharpness;
    answer = judge(logits.detach(), problem.tokens, vlm.model->dtype());
    answer.objective = finite(parameters.leaves) ? loss.item<double>() : std::nan("");
    answer.loss = sharpness == 1 ? answer.objective
                                 : answer_loss(predicting.detach(), problem.tokens).item<double>();
    losses.push_back(answer.loss);
    if (context.on_step) context.on_step(step, settings.steps, answer.loss);
    const bool usable = std::isfinite(answer.objective);
    if (!usable && (!settings.adaptive || step == 0))
      throw Error("editing::" + editor.name(),
                  fmt::format("the loss is {} after {} steps", answer.loss, step),
                  fmt::format("lower the learning rate, now {} (--set lr=...)", settings.lr));
    if (step == settings.steps || (answer.holds && answer.loss < settings.stop_loss)) break;
    if (settings.adaptive) {
      best.take(answer, parameters.leaves);
      const auto action = rate.judge(answer.objective);
      if (best.answer.holds && settings.stop_loss > 0 && action != AdaptiveRate::Action::proceed)
        break;
      if (action == AdaptiveRate::Action::give_up) {
        reason = usable ? "no_progress" : "diverged";
        break;
      }
      if (action == AdaptiveRate::Action::speed_up && sharpness < kMaxSharpness) {
        sharpness *= kSharpness;
        rate = AdaptiveRate(settings.lr);
        optimizer = optimize(settings.lr);
        best = {};
        continue;  // evaluate the same weights with the new factor
      }
      if (action != AdaptiveRate::Action::proceed) optimizer = optimize(rate.rate());
      if (action == AdaptiveRate::Action::back_off) {
        best.restore(parameters.leaves);
        continue;
      }
    }
    // Sites without influence on the answer have no gradient. If no site has one, the edit fails.
    std::vector<at::Tensor> grads(parameters.leaves.size());
    if (loss.requires_grad())
      grads =
          torch::autograd::grad({loss}, parameters.leaves, {}, false, false, /*allow_unused=*/true);
    if (step == 0 && std::all_of(grads.begin(), grads.end(), all_zero))
      throw Error("editing::" + editor.name(),
                  "the edit has no gradient at any of the chosen sites",
                  "without an image, only the language module can be edited");
    if (settings.clip > 0) clip_gradients(grads, settings.clip);
    optimizer->step(grads);
    if (parameters.bound > 0) {
      at::NoGradGuard no_grad;
      for (auto leaf : parameters.leaves) leaf.clamp_(-parameters.bound, parameters.bound);
    }
  }
  if (best.answer.better_than(answer)) {
    best.restore(parameters.leaves);
    answer = best.answer;
  }

  auto patch = patch_for(editor, vlm, requests);
  patch.effect = {
      {"steps", step},
      {"loss_before", losses.front()},
      {"loss_after", answer.loss},
      {"holds", answer.holds},
      {"stop_reason", answer.holds ? "holds" : reason},
      {"losses", thinned(losses)},
      {"failed_tokens", failed_tokens(vlm.processor, problem.answers, answer.predicted)}};
  for (const auto& change : parameters.read())
    if (!is_null(change.delta)) patch.deltas.push_back({change.site, detached(change.delta)});
  patch.id = patch_id(patch);
  return patch;
}

void refuse_request_edits(const EditContext& context) {
  for (const auto& edit : context.base)
    if (edit.point == Point::request)
      throw Error("editing::edit", "a previous edit rewrites requests",
                  "apply the edits of weights first");
}

Patch patch_for(const Editor& editor, const Vlm& vlm, const std::vector<EditRequest>& requests) {
  auto described = nlohmann::json::array();
  for (const auto& request : requests) {
    described.push_back(
        {{"image", request.image.path}, {"prompt", request.prompt}, {"target", request.target}});
    if (!request.subject.empty()) described.back()["subject"] = request.subject;
  }
  Patch patch;
  patch.base = vlm.fingerprint();
  patch.editor = editor.name();
  patch.settings = editor.settings();
  patch.request = described.size() == 1 ? described.front() : described;
  return patch;
}

}  // namespace emend
