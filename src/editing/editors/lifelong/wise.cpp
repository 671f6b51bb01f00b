#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "editing/editors/editors.h"
#include "editing/editors/lifelong/wise_memory.h"
#include "editing/editors/lifelong/wise_training.h"
#include "editing/editors/locate/contexts/context_templates.h"
#include "editing/editors/locate/contexts/edit_contexts.h"
#include "editing/editors/locate/edit_effect.h"
#include "editing/editors/memory/entries.h"
#include "editing/editors/optimize_deltas.h"
#include "editing/targets/ffn_outputs.h"
#include "editing/training/forced.h"
#include "io/error.h"
#include "models/caching/prefix.h"

namespace emend {

namespace {

Site side_site(const Model& model, const WiseSettings& settings) {
  if (!settings.sites.empty()) {
    const auto sites = model.find_sites(settings.sites);
    if (sites.size() != 1 || model.stages()[sites[0].stage].module != Module::language)
      throw Error("editing::wise",
                  fmt::format("sites '{}' selects {} layers, of which WISE needs one, in the "
                              "language module",
                              settings.sites.substr(0, 200), sites.size()),
                  "write for example --set sites=*.layers.3.fc2");
    return sites.front();
  }
  const auto all = ffn_outputs(model, "language");
  const auto count = static_cast<int64_t>(all.size());
  if (settings.layer >= count)
    throw Error("editing::wise",
                fmt::format("layer {} does not exist: the language module has {} blocks",
                            settings.layer, count),
                fmt::format("use a number from 0 to {}", count - 1));
  return all.at(static_cast<size_t>(settings.layer < 0 ? count * 3 / 4 : settings.layer));
}

// The memory that answers each question of a batch: main or side, with `retrieve` side.NUMBER.
std::vector<std::string> answering_memories(const Vlm& vlm, const ForcedBatch& forced,
                                            const Site& site, const WiseMemory& memory,
                                            const EditContext& context) {
  std::vector<std::string> names(forced.answers.size(), "main");
  if (memory.memories().empty()) return names;
  const auto pass = forward_until(vlm, forced.batch, site.stage, context.base, context.store);
  const auto routes =
      memory.route(pass, read_prompts(*vlm.model, pass, site, context.base).input).contiguous();
  for (size_t r = 0; r < names.size(); ++r) {
    const auto route = routes.data_ptr<int64_t>()[r];
    if (route < 0) continue;
    names[r] = memory.settings().retrieve ? fmt::format("side.{}", route) : "side";
  }
  return names;
}

class WiseEditor : public Editor {
 public:
  explicit WiseEditor(const nlohmann::json& given)
      : settings_(read_settings<WiseSettings>("wise", given)) {}
  std::string name() const override { return "wise"; }
  nlohmann::json settings() const override { return settings_json(settings_); }
  size_t first_stage(const Model& model) const override {
    return side_site(model, settings_).stage;
  }
  Patch edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
             const EditContext& context) const override;

 private:
  SideEdit train(const Vlm& vlm, const EditRequest& request, const Site& site,
                 const at::Tensor& start, const at::Tensor& mask, const EditContext& context) const;
  ForcedBatch unrelated(const Vlm& vlm, const EditRequest& request) const;
  std::vector<std::string> texts(const Vlm& vlm, int64_t count) const;

  WiseSettings settings_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::vector<std::string>> texts_;  // by fingerprint
};

// The first `count` generated texts. Those of unrelated questions follow the prefixes.
std::vector<std::string> WiseEditor::texts(const Vlm& vlm, int64_t count) const {
  const std::lock_guard lock(mutex_);
  const auto [entry, added] = texts_.try_emplace(vlm.fingerprint());
  if (added)
    entry->second =
        generated_prefixes(vlm, settings_.prefixes + settings_.unrelated, settings_.prefix_length,
                           static_cast<uint64_t>(settings_.seed));
  return {entry->second.begin(), entry->second.begin() + count};
}

ForcedBatch WiseEditor::unrelated(const Vlm& vlm, const EditRequest& request) const {
  auto all = texts(vlm, settings_.prefixes + settings_.unrelated);
  std::vector<TargetQuery> queries;
  for (auto text = all.begin() + settings_.prefixes; text != all.end(); ++text) {
    text->resize(text->size() - 2);  // the final ". "
    queries.push_back({{}, vlm.processor.prompt(*text, /*pictures=*/0), request.target});
    if (request.image.present())
      queries.push_back(
          {request.image, vlm.processor.prompt(*text, /*pictures=*/1), request.target});
  }
  return force(vlm, queries, /*end_of_answer=*/false);
}

SideEdit WiseEditor::train(const Vlm& vlm, const EditRequest& request, const Site& site,
                           const at::Tensor& start, const at::Tensor& mask,
                           const EditContext& context) const {
  LocateSettings templates;
  templates.lookup = "last";
  templates.end_of_answer = settings_.end_of_answer;
  templates.altered_pictures = settings_.altered_pictures;
  templates.seed = settings_.seed;
  const auto contexts = edit_contexts(vlm, request, templates, texts(vlm, settings_.prefixes));
  return train_side_copy(vlm, contexts.forced, unrelated(vlm, request), site, {start, mask},
                         settings_, context);
}

Patch WiseEditor::edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
                       const EditContext& context) const {
  if (requests.empty())
    throw Error("editing::wise", "there are no edits", "give at least one request");
  refuse_request_edits(context);
  const auto& model = *vlm.model;
  const auto site = side_site(model, settings_);
  const auto forced = force_edits(vlm, requests, settings_.end_of_answer);  // checks the requests

  auto patch = patch_for(*this, vlm, requests);
  // Edits continue the side copy of earlier edits with the same settings, which replaces their
  // routing during the training.
  Patch all = patch;
  auto rest = context;
  rest.base.clear();
  for (const auto& change : context.base) {
    const auto* earlier = change.layer_mix.target<WiseOutput>();
    if (earlier && earlier->memory->settings_json() == patch.settings &&
        earlier->memory->site() == site.name)
      for (const auto& entry : earlier->memory->entries()) all.memory.add(entry);
    else
      rest.base.push_back(change);
  }

  auto edits = nlohmann::json::array();
  std::vector<double> losses;
  int64_t steps = 0;
  for (size_t r = 0; r < requests.size() && settings_.steps > 0; ++r) {
    const auto& request = requests[r];
    MemoryEntry entry;
    entry.name = entry_name(request.prompt, forced.batch, r);
    // A later edit of the same question replaces the earlier one.
    auto& entries = all.memory.entries;
    std::erase_if(entries, [&](const MemoryEntry& known) { return known.name == entry.name; });
    int64_t shard = 0, size = 0;
    for (const auto& known : entries) shard = std::max(shard, wise_shard(known));
    for (const auto& known : entries) size += wise_shard(known) == shard;
    if (size >= settings_.save_freq) ++shard;
    const auto mask = wise_mask(site.out * site.in, settings_.mask_ratio, settings_.seed, shard);
    const auto start = shard_change(entries, shard, site, settings_).to(model.device());
    auto made = train(vlm, request, site, start, mask, rest);
    entry.facts = {{"prompt", request.prompt},
                   {"target", request.target},
                   {"image", request.image.path},
                   {"site", site.name},
                   {"shard", shard}};
    entry.tensors = {{"values", std::move(made.values)}, {"keys", std::move(made.keys)}};
    patch.memory.add(entry);
    entries.push_back(std::move(entry));
    steps = std::max(steps, static_cast<int64_t>(made.losses.size()) - 1);
    edits.push_back({{"shard", shard},
                     {"activation_in", made.inside},
                     {"activation_out", made.outside},
                     {"losses", made.losses}});
    if (losses.empty()) losses = made.losses;
  }

  auto memory = std::make_shared<const WiseMemory>(model, all);
  for (auto& change : wise_interventions(memory)) rest.base.push_back(std::move(change));
  patch.effect = edit_effect(vlm, requests, settings_.end_of_answer, site.stage, rest, {});
  if (losses.empty()) losses.push_back(patch.effect["loss_after"].get<double>());
  const auto memories = answering_memories(vlm, forced, site, *memory, rest);
  for (size_t r = 0; r < edits.size(); ++r) edits[r]["memory"] = memories.at(r);
  patch.effect["steps"] = steps;
  patch.effect["loss_before"] = losses.front();
  patch.effect["losses"] = losses;
  patch.effect["stop_reason"] = patch.effect["holds"].get<bool>() ? "holds" : "step_limit";
  patch.effect["edits"] = std::move(edits);
  auto thresholds = nlohmann::json::array();
  for (const auto& side : memory->memories()) thresholds.push_back(side.threshold);
  patch.effect["thresholds"] = std::move(thresholds);
  patch.id = patch_id(patch);
  return patch;
}

}  // namespace

EditorInfo wise_editor() {
  return {
      "wise",
      "trains a side copy of one feed-forward layer; the activation of a question decides whether "
      "the copy or the weight answers",
      describe_settings<WiseSettings>(),
      [](const nlohmann::json& given) { return std::make_unique<WiseEditor>(given); },
      [](const Vlm& vlm, const Patch& patch, ActivationStore*) {
        return wise_interventions(std::make_shared<const WiseMemory>(*vlm.model, patch));
      },
      {"The gradient of a step is normalized, and the learning rate, the norm constraint and the "
       "margins are relative to the weight and to the output of the layer: the published absolute "
       "values (relative=false) suit one model.",
       "A question is routed once, by its prompt without the answer: EasyEdit decides again for "
       "each generated token, and for a whole batch.",
       "Unrelated questions are texts that the model generates: EasyEdit trains with the locality "
       "question of the record.",
       "The threshold comes from the activations of the edits in the merged memory: EasyEdit "
       "keeps those from before the merging.",
       "Shards are merged whenever a memory is read, so that an edit can be removed later.",
       "Altered pictures are context templates, and the end of the answer is also trained."}};
}

}  // namespace emend
