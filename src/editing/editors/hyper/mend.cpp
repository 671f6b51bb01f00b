#include "editing/editors/hyper/mend.h"

#include <fmt/format.h>

#include <algorithm>

#include "editing/editors/editors.h"
#include "editing/editors/hyper/mend_training.h"
#include "editing/targets/block_sites.h"
#include "editing/targets/target_modules.h"
#include "io/error.h"
#include "io/json/json.h"

namespace emend {
namespace {

// Sets the deltas of a round to zero for edits that need no further round. wanting: (B) bool.
void keep_wanting(const Model& model, const Pass& prefix, const at::Tensor& wanting,
                  std::vector<EditDeltas>& deltas) {
  at::Tensor pictures;
  if (prefix.pixels.defined()) {
    auto rows = wanting.index_select(0, prefix.image_rows.select(1, 1));
    pictures = at::zeros({prefix.pixels.size()}, wanting.options().dtype(at::kFloat))
                   .index_add(0, prefix.image_rows.select(1, 0), rows.to(at::kFloat)) > 0;
  }
  for (auto& delta : deltas) {
    const bool of_rows = model.stages()[model.site(delta.site).stage].module == Module::language;
    delta.up = delta.up * (of_rows ? wanting : pictures).view({-1, 1, 1});
  }
}

// The inputs of each site: at the positions that predict the answer, or in other modules than
// language at those with a gradient.
std::vector<SiteKeys> edit_keys(const Model& model, const std::vector<Site>& sites,
                                const std::vector<GradientFactors>& factors,
                                const ForcedBatch& forced) {
  std::vector<SiteKeys> keys;
  for (size_t i = 0; i < sites.size(); ++i) {
    if (!factors[i].input.defined()) continue;
    const auto inputs = factors[i].input.flatten(0, 1);
    const auto at = model.stages()[sites[i].stage].module == Module::language
                        ? answer_positions(forced).to(inputs.device())
                        : (factors[i].gradient.flatten(0, 1) != 0).any(1).nonzero().squeeze(1);
    keys.push_back({sites[i].name, inputs.index_select(0, at).to(at::kCPU).contiguous()});
  }
  return keys;
}

}  // namespace

void MendSettings::declare(SettingList& list) {
  HyperSettings::declare(list);
  sequence.declare(list);
}

MendState::Edit MendState::make(
    const Model& model, const Pass& prefix, const ForcedBatch& forced, const Interventions& base,
    const std::function<void(const std::vector<GradientFactors>&)>& observe,
    const MendRounds& more) const {
  Edit made;
  EditIndex own{at::arange(prefix.ids.size(0), prefix.ids.options()), {}};
  if (prefix.pixels.defined()) own.picture = at::arange(prefix.pixels.size(), prefix.ids.options());
  const auto most = std::max(network.rounds(), more.most);
  made.limited = true;
  at::Tensor before;  // (B) losses at the start of the previous round
  for (int64_t round = 0; round < most; ++round) {
    auto changed = base;
    auto so_far = made.deltas;
    for (auto& delta : so_far) {
      delta.up = delta.up.detach();
      delta.down = delta.down.detach();
    }
    for (auto& change : attach(model, so_far, own)) changed.push_back(std::move(change));
    auto factors = edit_factors(model, prefix, forced, network.sites(), changed);
    made.losses.push_back(factors.loss);
    // Stops after a round that did not reduce the loss: a badly trained network would only increase
    // it.
    auto wanting = factors.losses > more.stop_loss;
    if (before.defined()) wanting = wanting & (factors.losses < before);
    before = factors.losses;
    const bool trained = round < network.rounds();
    if (!trained && !wanting.any().item<bool>()) {
      made.limited = false;
      break;
    }
    if (observe) observe(factors.sites);
    auto added = network.deltas(factors.sites, std::min(round, network.rounds() - 1));
    if (!trained) keep_wanting(model, prefix, wanting, added);
    made.rounds = round + 1;
    if (round == 0) {
      made.deltas = std::move(added);
      continue;
    }
    for (size_t i = 0; i < added.size(); ++i) {
      made.deltas[i].up = at::cat({made.deltas[i].up, added[i].up}, 1);
      made.deltas[i].down = at::cat({made.deltas[i].down, added[i].down}, 1);
    }
  }
  return made;
}

void MendIteratedSettings::declare(SettingList& list) {
  MendSettings::declare(list);
  list.whole("rounds", rounds.most, 0, 1000,
             "maximum number of gradients for one edit; 0: as many as in training");
  list.number("stop_loss", rounds.stop_loss, 0, 1000,
              "loss of the edit (nats per token) at which no further gradient is taken");
  list.alias("until", "stop_loss");
}

MendEditor::MendEditor(const nlohmann::json& settings)
    : MendEditor(read_settings<MendSettings>("mend", settings)) {}

MendIteratedEditor::MendIteratedEditor(const nlohmann::json& settings)
    : MendIteratedEditor(read_settings<MendIteratedSettings>("mend-iterated", settings)) {}

MendState MendEditor::load(const Model& model, EditorCheckpoint& checkpoint,
                           const std::string& module, const std::string& file) const {
  const auto& settings = checkpoint.settings;
  BlockSites where;
  where.module = canonical_module(json_get<std::string>(settings, "module", file));
  where.sites = json_get<std::string>(settings, "sites", file);
  where.depth = json_get<int64_t>(settings, "depth", file);
  require_module(module, where.module, file);
  MendNetwork::Options options;
  options.rank = json_get<int64_t>(settings, "rank", file);
  options.rounds = json_get_or<int64_t>(settings, "rounds", 1, file);
  if (options.rounds != 1 && name() == "mend")
    throw Error("editing::mend",
                fmt::format("'{}' was trained for {} gradients per edit; mend takes one", file,
                            options.rounds),
                "train it for one gradient: emend train --editor mend --from CHECKPOINT");
  options.init = 0;
  options.device = model.device();
  return {MendNetwork(where.find(model), options), json_get<bool>(settings, "end_of_answer", file)};
}

HyperEdit MendEditor::propose(const Vlm& vlm, const MendState& state,
                              const std::vector<EditRequest>&, const Pass& prefix,
                              const ForcedBatch& forced, const EditContext& context) const {
  std::vector<SiteKeys> keys;
  const auto observe = [&](const std::vector<GradientFactors>& factors) {
    if (settings_.sequence.simie > 0 && keys.empty())
      keys = edit_keys(*vlm.model, state.network.sites(), factors, forced);
  };
  auto made = state.make(*vlm.model, prefix, forced, context.base, observe, rounds());
  // If the last round added nothing, its loss is the final one.
  if (static_cast<int64_t>(made.losses.size()) > made.rounds) made.losses.pop_back();
  HyperEdit edit{std::move(made.deltas), std::move(made.losses), made.rounds,
                 made.limited ? "step_limit" : "no_progress"};
  if (!settings_.sequence.active()) return edit;
  edit.keys = keys;
  edit.adapt = [this, &vlm, &context, keys](const SiteDelta& change) {
    return sequence_.adapt(settings_.sequence, vlm, vlm.model->site(change.site), change.delta,
                           keys_at(keys, change.site), keys_at(context.history, change.site));
  };
  return edit;
}

namespace {

const char* const kBatchIsSum =
    "A batch edit is the sum of its single edits: the paper uses one gradient of the mean loss of "
    "all requests.";
const char* const kRoundPatience =
    "Training takes a fixed number of steps (patience is 0): EasyEdit stops when validation no "
    "longer improves.";

}  // namespace

EditorInfo mend_editor() {
  return {"mend",
          "a trained network turns one gradient of the edit into low-rank changes (train it first)",
          describe_settings<MendSettings>(),
          [](const nlohmann::json& given) { return std::make_unique<MendEditor>(given); },
          {},
          {kBatchIsSum, kRoundPatience},
          make_networks<TrainableMend>,
          describe_settings<MendTrainingSettings>()};
}

EditorInfo mend_iterated_editor() {
  return {
      "mend-iterated",
      "mend with further gradients of the edited model, until the edit holds (train it first)",
      describe_settings<MendIteratedSettings>(),
      [](const nlohmann::json& given) { return std::make_unique<MendIteratedEditor>(given); },
      {},
      {"The paper takes one gradient of an edit: this editor takes up to 20 (rounds), each after "
       "the earlier changes, until the edit's loss is below 0.02 (stop_loss).",
       kBatchIsSum, kRoundPatience},
      make_networks<TrainableMendIterated>,
      describe_settings<MendIteratedTrainingSettings>()};
}

}  // namespace emend
