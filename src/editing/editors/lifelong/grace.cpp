#include "editing/editors/lifelong/grace.h"

#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>

#include "editing/editors/editors.h"
#include "editing/editors/failed_tokens.h"
#include "editing/editors/memory/entries.h"
#include "editing/editors/optimize_deltas.h"
#include "editing/optim/optimizer.h"
#include "io/error.h"
#include "models/caching/prefix.h"
#include "nn/loss.h"

namespace emend {
namespace {

// One block at 7/10 of the depth: block 35 of 48 in GPT-2 XL and 27 of 32 in Llama, as published,
// are at 73 and 84 %. Other modules: the last block.
std::vector<size_t> codebook_block(const std::string& module, size_t count) {
  if (module != "language") return {count - 1};
  return {std::min(7 * count / 10, count - std::min<size_t>(count, 2))};
}

class GraceEditor : public Editor {
 public:
  explicit GraceEditor(const nlohmann::json& given)
      : settings_(read_settings<GraceSettings>("grace", given)) {}

  std::string name() const override { return "grace"; }
  nlohmann::json settings() const override { return settings_json(settings_); }
  size_t first_stage(const Model& model) const override { return site(model).stage; }
  Patch edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
             const EditContext& context) const override;

 private:
  Site site(const Model& model) const;

  GraceSettings settings_;
};

Site GraceEditor::site(const Model& model) const {
  const auto sites = settings_.where.find(
      model, [&](size_t count) { return codebook_block(settings_.where.module, count); });
  if (settings_.where.module == "projector" && settings_.where.layers == "default" &&
      settings_.where.sites.empty())
    return sites.back();
  if (sites.size() != 1)
    throw Error("editing::grace",
                fmt::format("{} layers are selected, but a codebook is at one layer", sites.size()),
                "choose one layer, for example --set layers=2");
  return sites.front();
}

Patch GraceEditor::edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
                        const EditContext& context) const {
  refuse_request_edits(context);
  const auto& model = *vlm.model;
  const auto site = this->site(model);
  const auto forced = force_edits(vlm, requests, settings_.end_of_answer);  // validates them
  auto patch = patch_for(*this, vlm, requests);
  patch.memory.reading = {{"site", site.name}};
  std::vector<CodebookValue> made;
  for (size_t i = 0; i < requests.size(); ++i) {
    made.push_back(optimize_codebook_value(
        vlm, force_edits(vlm, {requests[i]}, settings_.end_of_answer), site, settings_, context));
    if (settings_.steps == 0) continue;
    MemoryEntry entry;
    entry.name = entry_name(requests[i].prompt, forced.batch, i);
    entry.facts = {{"prompt", requests[i].prompt},
                   {"target", requests[i].target},
                   {"image", requests[i].image.path}};
    entry.tensors = {{"key", made.back().key.to(at::kCPU).contiguous()},
                     {"value", made.back().value.to(at::kCPU).contiguous()}};
    patch.memory.add(std::move(entry));
  }
  if (patch.memory.entries.empty()) patch.memory.reading = nullptr;

  at::NoGradGuard no_grad;
  auto edited = context.base;
  for (auto& change : patch.interventions(vlm, context.store)) edited.push_back(std::move(change));
  auto pass = forward_until(vlm, forced.batch, site.stage, context.base, context.store);
  pass.logit_positions = answer_positions(forced).to(model.device());
  model.run(pass, edited);
  const auto logits = pass.logits().to(at::kFloat);
  const auto best = logits.argmax(-1).to(at::kCPU).contiguous();
  const auto failed =
      failed_tokens(vlm.processor, forced.answers,
                    {best.data_ptr<int64_t>(), best.data_ptr<int64_t>() + best.numel()});
  auto values = nlohmann::json::array();
  int64_t steps = 0;
  double before = 0;
  for (const auto& one : made) {
    steps = std::max(steps, one.steps());
    before += one.losses.front() / static_cast<double>(made.size());
    values.push_back(
        {{"steps", one.steps()}, {"losses", one.losses}, {"stop_reason", one.stop_reason}});
  }
  patch.effect = {
      {"steps", steps},
      {"loss_before", before},
      {"loss_after", answer_loss(logits, answer_tokens(forced).to(model.device())).item<double>()},
      {"holds", failed.empty()},
      {"stop_reason", failed.empty() ? "holds" : made.front().stop_reason},
      {"losses", made.front().losses},
      {"failed_tokens", failed},
      {"values", values}};
  patch.id = patch_id(patch);
  return patch;
}

}  // namespace

void GraceSettings::declare(SettingList& list) {
  where.declare(list, {"language", "connector", "projector"});
  codebook.declare(list);
  list.whole("steps", steps, 0, 100000, "maximum number of steps for the value of an edit");
  list.number("lr", lr, 0, 1e6,
              "learning rate of the value (Adam; published: 1); 0: the root mean square of the "
              "output of the layer");
  list.number("stop_loss", stop_loss, 0, 1e9,
              "stop when the loss (nats a token) is below and the edit holds; 0: never early");
  list.choice("init", init, {"warm", "cold"},
              "start of the value: warm: the output of the layer; cold: random numbers from 0 to "
              "1, as published");
  list.flag("end_of_answer", end_of_answer, "also train the end-of-answer token after the target");
  list.whole("seed", seed, 0, INT64_MAX, "random seed");
  list.alias("n_iter", "steps");
  list.alias("edit_lr", "lr");
  list.alias("val_init", "init");
  list.alias("eps_expand", "expand");
}

int64_t CodebookValue::steps() const {
  return std::max<int64_t>(0, static_cast<int64_t>(losses.size()) - 2);
}

CodebookValue optimize_codebook_value(const Vlm& vlm, const ForcedBatch& forced, const Site& site,
                                      const GraceSettings& settings, const EditContext& context) {
  const auto& model = *vlm.model;
  const bool of_pictures = model.stages()[site.stage].module != Module::language;
  const auto prefix = forward_until(vlm, forced.batch, site.stage, context.base, context.store);
  const auto tokens = answer_tokens(forced).to(model.device());

  at::Tensor value, own_output;
  CodebookValue made;
  // The first intervention at the layer sees its output without earlier codebooks, and the last one
  // replaces it.
  Interventions all = {Intervention::layer(
      site.name, [&](const Pass& pass, const at::Tensor& input, const at::Tensor& output) {
        if (made.key.defined()) return output;
        made.key = layer_keys(pass, input, of_pictures).detach();
        // In the language model, one value for all positions: that of the last prompt token.
        own_output = of_pictures ? output.detach().to(at::kFloat).flatten(1, -2)
                                 : layer_keys(pass, output, false).detach().unsqueeze(1);
        return output;
      })};
  all.insert(all.end(), context.base.begin(), context.base.end());
  all.push_back(Intervention::layer(
      site.name, [&](const Pass& pass, const at::Tensor&, const at::Tensor& output) {
        if (!value.defined()) return output;
        const auto own = value.to(output.scalar_type());
        if (of_pictures) return own.view_as(output);
        return at::where(replaced_positions(pass, settings.codebook.replacement).unsqueeze(-1), own,
                         output);
      }));
  const auto logits = [&] {
    auto pass = prefix;
    pass.logit_positions = answer_positions(forced).to(model.device());
    model.run(pass, all);
    return pass.logits().to(at::kFloat);
  };

  {
    at::NoGradGuard no_grad;
    made.losses.push_back(answer_loss(logits(), tokens).item<double>());
  }
  if (!made.key.defined())
    throw Error("editing::grace", "the prompt does not pass through " + site.name,
                "without a picture, only layers of the language module can be edited");
  made.stop_reason = "step_limit";
  if (settings.steps == 0) return made;

  value = own_output.clone();
  if (settings.init == "cold") {
    auto generator = at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(settings.seed));
    value = at::rand(value.sizes(), generator, at::kFloat).to(model.device());
  }
  const double size = std::sqrt(own_output.square().mean().item<double>());
  const double lr = settings.lr > 0 ? settings.lr : size;
  value.requires_grad_();
  auto optimizer = make_optimizer("adam", {value}, {lr, 0});
  for (int64_t step = 0;; ++step) {
    at::AutoGradMode gradients(true);
    const auto now = logits();
    const auto loss = answer_loss(now, tokens);
    made.losses.push_back(loss.item<double>());
    if (context.on_step) context.on_step(step, settings.steps, made.losses.back());
    if (!std::isfinite(made.losses.back()))
      throw Error("editing::grace",
                  fmt::format("the loss is {} after {} steps", made.losses.back(), step),
                  "lower the learning rate (--set lr=...)");
    if (step == settings.steps) break;
    if (made.losses.back() < settings.stop_loss && now.detach().argmax(-1).equal(tokens)) {
      made.stop_reason = "stop_loss";
      break;
    }
    const auto gradient = torch::autograd::grad({loss}, {value}, {}, false, false, true).at(0);
    if (!gradient.defined() || (step == 0 && !at::count_nonzero(gradient).is_nonzero()))
      throw Error("editing::grace",
                  "the answer does not depend on " + site.name + " at the replaced positions",
                  "choose an earlier block (--set layers=...)");
    optimizer->step({gradient});
  }
  made.value = value.detach();
  return made;
}

EditorInfo grace_editor() {
  EditorInfo info = {
      "grace",
      "a codebook at one layer answers near questions with trained values; no weights change",
      describe_settings<GraceSettings>(),
      [](const nlohmann::json& given) { return std::make_unique<GraceEditor>(given); },
      [](const Vlm& vlm, const Patch& patch, ActivationStore*) {
        const auto codebook = std::make_shared<const Codebook>(*vlm.model, patch);
        return Interventions{Intervention::layer(
            codebook->site(),
            [codebook](const Pass& pass, const at::Tensor& input, const at::Tensor& output) {
              return codebook->apply(pass, input, output);
            })};
      },
      {"The radius of a new key is 0.85 of its norm (relative_eps): eps=1 is the published one.",
       "The value starts from the output of the layer, and its learning rate is the root mean "
       "square of this output: the paper starts from random numbers with the learning rate 1.",
       "Optimization stops when the edit holds with a loss below 0.05 (stop_loss).",
       "An edit near a key with the same answer has its own key and value, so that each "
       "edit can be removed: the paper trains the value of the earlier key again.",
       "An edit with another answer never grows the radius of an earlier key.",
       "A question is matched once, at the last token of its prompt.",
       "The end of the answer is also trained, so that generation stops after the target.",
       "In connector and projector, the key is the mean over the positions of the picture, and "
       "each position has a value."}};
  info.edit_time_settings = {"steps", "lr", "stop_loss", "init", "end_of_answer", "seed"};
  return info;
}

}  // namespace emend
