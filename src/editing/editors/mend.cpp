#include "editing/editors/mend.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "editing/checkpoint.h"
#include "editing/editors/editors.h"
#include "editing/module_sites.h"
#include "editing/tune.h"
#include "io/error.h"
#include "io/json.h"
#include "models/prefix.h"
#include "nn/loss.h"

namespace emend {
namespace {

const std::vector<std::string> kModules = {"language", "vision", "tower"};

Module module_of(const std::string& name) {
  return name == "language" ? Module::language : name == "vision" ? Module::bridge : Module::vision;
}

// Blocks are numbered: language.block.3, bridge.layer.0.
bool is_block(const Stage& stage) {
  return std::isdigit(static_cast<unsigned char>(stage.name.back()));
}

// The edits' deltas in one: their tokens one after another.
SiteDelta joined(const EditDeltas& deltas) {
  auto up = deltas.up.flatten(0, 1), down = deltas.down.flatten(0, 1);
  auto used = (down != 0).any(-1).nonzero().squeeze(-1);
  SiteDelta change;
  change.site = deltas.site;
  change.delta.up = up.index_select(0, used).t().contiguous();
  change.delta.down = down.index_select(0, used).contiguous();
  return change;
}

}  // namespace

void MendSites::declare(SettingList& list) {
  list.choice("module", module, kModules,
              "what to change: language, vision (the bridge), tower (what sees)");
  list.text("sites", sites, "a glob of layers instead of the module's");
  list.whole("depth", depth, 0, 1000, "how many last blocks; 0: language 3, vision 2, tower 3");
}

std::vector<Site> MendSites::find(const Model& model) const {
  if (!sites.empty()) return model.find_sites(sites);
  const auto& stages = model.stages();
  const auto part = module_of(module);
  std::vector<std::vector<Site>> blocks;
  for (const auto& site : model.sites()) {
    const auto& stage = stages[site.stage];
    if (stage.module != part || !is_block(stage)) continue;
    if (blocks.empty() || blocks.back().front().stage != site.stage) blocks.emplace_back();
    blocks.back().push_back(site);
  }
  if (blocks.empty())
    throw Error("editing::mend", fmt::format("this model has no blocks in module '{}'", module),
                "choose layers with --set sites=GLOB; `emend inspect MODEL` lists them");
  const auto wanted = static_cast<size_t>(depth > 0 ? depth : module == "vision" ? 2 : 3);
  const size_t layers = module == "vision" ? 1 : 2;
  std::vector<Site> found;
  for (size_t b = blocks.size() - std::min(wanted, blocks.size()); b < blocks.size(); ++b)
    for (size_t i = blocks[b].size() - std::min(layers, blocks[b].size()); i < blocks[b].size();
         ++i)
      found.push_back(blocks[b][i]);
  return found;
}

MendTrained::Made MendTrained::make(
    const Model& model, const Pass& prefix, const ForcedBatch& forced, const Interventions& base,
    const std::function<void(const std::vector<Factors>&)>& observe) const {
  Made made;
  EditOf own{at::arange(prefix.ids.size(0), prefix.ids.options()), {}};
  if (prefix.pixels.defined())
    own.picture = at::arange(prefix.pixels.size(0), prefix.ids.options());
  for (int64_t round = 0; round < network.rounds(); ++round) {
    auto changed = base;
    auto so_far = made.deltas;
    for (auto& delta : so_far) {
      delta.up = delta.up.detach();
      delta.down = delta.down.detach();
    }
    for (auto& change : attach(model, so_far, own)) changed.push_back(std::move(change));
    auto factors = edit_factors(model, prefix, forced, network.sites(), changed);
    if (round == 0) made.loss = factors.loss;
    if (observe) observe(factors.sites);
    auto more = network.deltas(factors.sites, round);
    if (round == 0) {
      made.deltas = std::move(more);
      continue;
    }
    for (size_t i = 0; i < more.size(); ++i) {
      made.deltas[i].up = at::cat({made.deltas[i].up, more[i].up}, 1);
      made.deltas[i].down = at::cat({made.deltas[i].down, more[i].down}, 1);
    }
  }
  return made;
}

void MendSettings::declare(SettingList& list) {
  list.choice("module", module, kModules,
              "what to change: language, vision (the bridge), tower (what sees)");
  list.text("checkpoint", checkpoint, "trained editor; empty: the one that came with the model");
}

MendEditor::MendEditor(const nlohmann::json& settings)
    : settings_(read_settings<MendSettings>("mend", settings)) {}

const MendTrained& MendEditor::trained(const Vlm& vlm) const {
  if (trained_ && base_.empty()) return *trained_;  // given, not read
  const auto base = vlm.fingerprint();
  if (trained_ && base_ == base) return *trained_;
  const auto file = settings_.checkpoint.empty() ? find_checkpoint(vlm, "mend", settings_.module)
                                                 : settings_.checkpoint;
  auto checkpoint = load_checkpoint(file, "mend", base);
  MendSites where;
  where.module = json_get<std::string>(checkpoint.settings, "module", file);
  where.sites = json_get<std::string>(checkpoint.settings, "sites", file);
  where.depth = json_get<int64_t>(checkpoint.settings, "depth", file);
  MendNetwork::Options options;
  options.rank = json_get<int64_t>(checkpoint.settings, "rank", file);
  options.rounds = json_get<int64_t>(checkpoint.settings, "rounds", file);
  options.init = 0;
  options.device = vlm.model->device();
  auto trained = std::make_shared<MendTrained>(
      MendTrained{MendNetwork(where.find(*vlm.model), options),
                  json_get<bool>(checkpoint.settings, "end_of_answer", file)});
  trained->network.load(checkpoint.tensors, file);
  trained_ = trained;
  base_ = base;
  return *trained_;
}

size_t MendEditor::first_stage(const Model& model) const {
  // A checkpoint that was not read yet may change any block of its module.
  if (trained_) return first_stage_of(model, trained_->network.sites());
  return model.first_stage(module_of(settings_.module));
}

Patch MendEditor::edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
                       const EditContext& context) const {
  const auto& model = *vlm.model;
  const auto& trained = this->trained(vlm);
  const auto& sites = trained.network.sites();
  std::vector<ForcedQuery> queries;
  for (const auto& request : requests)
    queries.push_back({request.image, request.prompt, request.target});
  auto forced = force(vlm, queries, trained.end_of_answer);
  auto prefix =
      run_prefix(vlm, forced.batch, first_stage_of(model, sites), context.base, context.store);
  at::NoGradGuard no_grad;
  auto made = trained.make(model, prefix, forced, context.base);
  auto patch = patch_for(*this, vlm, requests);
  for (const auto& deltas : made.deltas) {
    auto change = joined(deltas);
    if (change.delta.down.size(0) > 0) patch.deltas.push_back(std::move(change));
  }
  if (patch.deltas.empty())
    throw Error("editing::mend", "none of the editor's layers touches the answer",
                "without an image only the language module can be edited");

  auto edited = context.base;
  for (auto& change : patch.interventions()) edited.push_back(std::move(change));
  prefix.wanted = answer_positions(forced).to(model.device());
  model.run(prefix, edited);
  auto tokens = answer_tokens(forced).to(model.device());
  auto after = prefix.logits().to(at::kFloat);
  auto loss = answer_loss(after, tokens).item<double>();
  if (!std::isfinite(loss))
    throw Error("editing::mend", fmt::format("the loss is {} after the edit", loss),
                "train the editor further, or with a lower learning rate");
  patch.effect = {{"steps", trained.network.rounds()},
                  {"loss_before", made.loss},
                  {"loss_after", loss},
                  {"holds", at::equal(after.argmax(-1), tokens)}};
  patch.id = patch_id(patch);
  return patch;
}

EditorKind mend_editor() {
  return {"mend",
          "a trained network turns the edit's gradient into low-rank changes (train it first)",
          describe_settings<MendSettings>(),
          [](const nlohmann::json& given) { return std::make_unique<MendEditor>(given); }};
}

}  // namespace emend
