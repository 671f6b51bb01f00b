#include "editing/tune.h"

#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>

#include "editing/forced.h"
#include "editing/optimizer.h"
#include "io/error.h"
#include "models/prefix.h"
#include "nn/loss.h"

namespace emend {
namespace {

bool all_zero(const at::Tensor& tensor) {
  return !tensor.defined() || !at::count_nonzero(tensor).is_nonzero();
}

// Zero without computing up @ down.
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

// For each answer token, the row of the logits (one an answer token) that is to predict it:
// its own, or with `prompt_last` that of its answer's first token.
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

// What no step changes, run up to the first stage that one does.
struct Problem {
  Pass kept;
  at::Tensor tokens;  // (K) the answers' tokens
  at::Tensor rows;    // (K) the logits' row that is to predict each
};

Problem pose(const Vlm& vlm, const std::vector<EditRequest>& requests, const EditContext& context,
             size_t first, const TuneSettings& settings) {
  for (const auto& edit : context.base)
    if (edit.point == Point::request)
      throw Error("editing::tune", "an edit applied before rewrites requests",
                  "make the edits of weights first");
  std::vector<ForcedQuery> queries;
  for (const auto& request : requests)
    queries.push_back({request.image, request.prompt, request.target});
  auto forced = force(vlm, queries, settings.end_of_answer);
  const auto device = vlm.model->device();
  Problem problem;
  problem.tokens = answer_tokens(forced).to(device);
  problem.rows = predicting_rows(forced, settings.objective == "prompt_last").to(device);
  problem.kept = run_prefix(vlm, forced.batch, first, context.base, context.store);
  problem.kept.wanted = answer_positions(forced).to(device);
  return problem;
}

}  // namespace

void TuneSettings::declare(SettingList& list, const char* lr_meaning) {
  list.choice("optimizer", optimizer, optimizer_names(), "what moves the weights");
  list.whole("steps", steps, 0, 100000, "at most so many; VLKEB's public setting is 15");
  list.number("lr", lr, 0, 1000, lr_meaning);
  list.number("weight_decay", weight_decay, 0, 10, "pulls the change, not the weight, to zero");
  list.number("clip", clip, 0, 1e9, "most that the gradient's norm may be; 0: unlimited");
  list.number("stop_loss", stop_loss, 0, 1e9,
              "stop when the answer holds and its loss (nats a token) is below; 0: never early");
  list.flag("end_of_answer", end_of_answer, "teach that the answer ends after the target, too");
  list.choice("objective", objective, {"target", "prompt_last"},
              "every target token in its place, or all at the prompt's end (EasyEdit's FT-L)");
  list.whole("seed", seed, 0, INT64_MAX, "of what is drawn");
}

Patch tune(const Editor& editor, const Vlm& vlm, const std::vector<EditRequest>& requests,
           const EditContext& context, size_t first, const TuneSettings& settings,
           const Tunable& tunable) {
  const auto problem = pose(vlm, requests, context, first, settings);
  auto optimizer =
      make_optimizer(settings.optimizer, tunable.leaves, {settings.lr, settings.weight_decay});
  double loss_before = 0, loss_after = 0;
  bool holds = false;
  int64_t step = 0;
  for (;; ++step) {
    at::AutoGradMode gradients(step < settings.steps);
    Pass pass = problem.kept;
    vlm.model->run(pass, with_deltas(context.base, tunable.read()));
    auto logits = pass.logits().to(at::kFloat);  // (K, V)
    auto loss = answer_loss(logits.index_select(0, problem.rows), problem.tokens);
    loss_after = loss.item<double>();
    if (step == 0) loss_before = loss_after;
    if (!std::isfinite(loss_after))
      throw Error("editing::" + editor.name(),
                  fmt::format("the loss is {} after {} steps", loss_after, step),
                  fmt::format("lower the learning rate, now {} (--set lr=...)", settings.lr));
    holds = at::equal(logits.argmax(-1), problem.tokens);
    if (step == settings.steps || (holds && loss_after < settings.stop_loss)) break;
    // Sites that the answer does not pass through get no gradient; all of them is a mistake.
    std::vector<at::Tensor> grads(tunable.leaves.size());
    if (loss.requires_grad())
      grads =
          torch::autograd::grad({loss}, tunable.leaves, {}, false, false, /*allow_unused=*/true);
    if (step == 0 && std::all_of(grads.begin(), grads.end(), all_zero))
      throw Error("editing::" + editor.name(), "none of the chosen sites touches the answer",
                  "without an image only the language module can be edited");
    if (settings.clip > 0) clip_gradients(grads, settings.clip);
    optimizer->step(grads);
    if (tunable.bound > 0) {
      at::NoGradGuard no_grad;
      for (auto leaf : tunable.leaves) leaf.clamp_(-tunable.bound, tunable.bound);
    }
  }

  auto patch = patch_for(editor, vlm, requests);
  patch.effect = {
      {"steps", step}, {"loss_before", loss_before}, {"loss_after", loss_after}, {"holds", holds}};
  for (const auto& change : tunable.read())
    if (!is_null(change.delta)) patch.deltas.push_back({change.site, detached(change.delta)});
  patch.id = patch_id(patch);
  return patch;
}

Patch patch_for(const Editor& editor, const Vlm& vlm, const std::vector<EditRequest>& requests) {
  auto described = nlohmann::json::array();
  for (const auto& request : requests)
    described.push_back(
        {{"image", request.image.path}, {"prompt", request.prompt}, {"target", request.target}});
  Patch patch;
  patch.base = vlm.fingerprint();
  patch.editor = editor.name();
  patch.settings = editor.settings();
  patch.request = described.size() == 1 ? described.front() : described;
  return patch;
}

}  // namespace emend
