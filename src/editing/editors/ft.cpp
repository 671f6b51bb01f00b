#include "editing/editors/ft.h"

#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>

#include "editing/forced.h"
#include "editing/optimizer.h"
#include "editing/settings.h"
#include "nn/loss.h"

namespace emend {
namespace {

nlohmann::json as_json(const EditRequest& request) {
  return {{"image", request.image.path}, {"prompt", request.prompt}, {"target", request.target}};
}

bool all_zero(const at::Tensor& tensor) {
  return !tensor.defined() || !at::count_nonzero(tensor).is_nonzero();
}

}  // namespace

FtEditor::FtEditor(const nlohmann::json& settings) {
  auto& s = settings_;
  SettingsReader reader("ft", settings);
  reader.read("module", s.module);
  reader.read("sites", s.sites);
  reader.read("steps", s.steps);
  reader.read("lr", s.lr);
  reader.read("weight_decay", s.weight_decay);
  reader.read("stop_loss", s.stop_loss);
  reader.read("end_of_answer", s.end_of_answer);
  reader.read("seed", s.seed);
  reader.done();
  if (s.module != "language" && s.module != "vision") reader.wrong("module", "language or vision");
  if (s.steps < 0 || s.steps > 100000) reader.wrong("steps", "between 0 and 100000");
  if (!(s.lr >= 0 && s.lr <= 10)) reader.wrong("lr", "between 0 and 10");
  if (!(s.weight_decay >= 0 && s.weight_decay <= 10)) reader.wrong("weight_decay", "0 to 10");
  if (!(s.stop_loss >= 0)) reader.wrong("stop_loss", "0 or more");
  if (s.lr == 0) s.lr = s.sites.empty() && s.module == "language" ? 1e-3 : 5e-4;
}

nlohmann::json FtEditor::settings() const {
  const auto& s = settings_;
  return {{"module", s.module},
          {"sites", s.sites},
          {"steps", s.steps},
          {"lr", s.lr},
          {"weight_decay", s.weight_decay},
          {"stop_loss", s.stop_loss},
          {"end_of_answer", s.end_of_answer},
          {"seed", s.seed}};
}

std::vector<Site> FtEditor::find_sites(const Model& model) const {
  if (!settings_.sites.empty()) return model.find_sites(settings_.sites);
  auto pattern =
      model.default_sites(settings_.module == "language" ? Module::language : Module::bridge);
  if (pattern.empty())
    throw Error("editing::ft",
                fmt::format("this model names no default sites for module '{}'", settings_.module),
                "choose some with --sites GLOB; `emend inspect MODEL` lists them");
  return model.find_sites(pattern);
}

size_t FtEditor::first_stage(const Model& model) const {
  size_t first = model.stages().size();
  for (const auto& site : find_sites(model)) first = std::min(first, site.stage);
  return first;
}

Patch FtEditor::edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
                     const EditContext& context) const {
  const auto& model = *vlm.model;
  auto sites = find_sites(model);

  std::vector<ForcedQuery> queries;
  for (const auto& request : requests)
    queries.push_back({request.image, request.prompt, request.target});
  auto forced = force(vlm, queries, settings_.end_of_answer);
  auto tokens = answer_tokens(forced).to(model.device());

  // Nothing before the first edited stage changes while we tune: it runs once.
  Interventions changes = context.base;
  std::vector<at::Tensor> deltas;
  size_t first = model.stages().size();
  for (const auto& site : sites) {
    deltas.push_back(at::zeros({site.out, site.in}, at::dtype(at::kFloat).device(model.device()))
                         .requires_grad_());
    Intervention change{};
    change.point = Point::weight;
    change.where = site.name;
    change.delta.dense = deltas.back();
    changes.push_back(std::move(change));
    first = std::min(first, site.stage);
  }
  Pass kept;
  {
    at::NoGradGuard no_grad;
    kept = model.begin(forced.batch);
    kept.wanted = answer_positions(forced).to(model.device());
    if (first > 0) model.run(kept, first - 1, context.base);
  }

  AdamW::Options adamw;
  adamw.lr = settings_.lr;
  adamw.weight_decay = settings_.weight_decay;
  AdamW optimizer(deltas, adamw);
  double loss_before = 0, loss_after = 0;
  bool holds = false;
  for (int64_t step = 0;; ++step) {
    at::AutoGradMode gradients(step < settings_.steps);
    Pass pass = kept;
    model.run(pass, changes);
    auto logits = pass.logits().to(at::kFloat);  // (K, V)
    auto loss = answer_loss(logits, tokens);
    loss_after = loss.item<double>();
    if (step == 0) loss_before = loss_after;
    if (!std::isfinite(loss_after))
      throw Error("editing::ft", fmt::format("the loss is {} after {} steps", loss_after, step),
                  fmt::format("lower the learning rate, now {} (--set lr=...)", settings_.lr));
    holds = at::equal(logits.argmax(-1), tokens);
    if (step == settings_.steps || (holds && loss_after < settings_.stop_loss)) break;
    // Sites that the answer does not pass through get no gradient; all of them is a mistake.
    std::vector<at::Tensor> grads(deltas.size());
    if (loss.requires_grad())
      grads = torch::autograd::grad({loss}, deltas, {}, false, false, /*allow_unused=*/true);
    if (step == 0 && std::all_of(grads.begin(), grads.end(), all_zero))
      throw Error("editing::ft", "none of the chosen sites touches the answer",
                  "without an image only the language module can be edited");
    optimizer.step(grads);
  }

  Patch patch;
  patch.base = vlm.fingerprint();
  patch.editor = name();
  patch.settings = settings();
  if (requests.size() == 1) {
    patch.request = as_json(requests.front());
  } else {
    patch.request = nlohmann::json::array();
    for (const auto& request : requests) patch.request.push_back(as_json(request));
  }
  patch.effect = {{"steps", optimizer.steps()},
                  {"loss_before", loss_before},
                  {"loss_after", loss_after},
                  {"holds", holds}};
  for (size_t i = 0; i < sites.size(); ++i)
    if (!all_zero(deltas[i])) patch.deltas.push_back({sites[i].name, {deltas[i].detach(), {}, {}}});
  patch.id = patch_id(patch);
  return patch;
}

}  // namespace emend
