#include "editing/editors/liveedit/liveedit.h"

#include <fmt/format.h>

#include <algorithm>

#include "editing/editors/editors.h"
#include "editing/editors/liveedit/memory.h"
#include "editing/editors/liveedit/training.h"
#include "editing/editors/locate/edit_effect.h"
#include "editing/editors/memory/entries.h"
#include "editing/editors/memory/language_sites.h"
#include "editing/editors/memory/question_features.h"
#include "editing/editors/optimize_deltas.h"
#include "editing/training/checkpoint.h"
#include "editing/training/forced.h"
#include "io/error.h"
#include "models/caching/prefix.h"

namespace emend {
namespace {

// Block 21 of 32.
constexpr int64_t kPublishedLayer = 21, kPublishedDepth = 32, kPublishedWidth = 1024;

}  // namespace

void LiveEditSettings::declare(SettingList& list) {
  list.text("checkpoint", checkpoint,
            "checkpoint of the trained editor; empty: the one in the model folder");
  list.flag("hard_routing", hard_routing,
            "a question with a picture uses only the experts whose pictures are more similar to "
            "its own than the sentinel; false: all experts");
  list.flag("soft_routing", soft_routing,
            "experts are weighted by the similarity of the texts; false: equally");
}

void LiveEditConfig::declare(SettingList& list) {
  list.whole("layer", layer, -1, 100000,
             "number of the block of the language module whose output the experts change; -1: at "
             "21/32 of the depth");
  list.alias("edit_layer_i", "layer");
  list.whole("module_dim", module_dim, 0, 100000,
             "width of the attention and of the routing features; 0: the width of the model, at "
             "most 1024 (published)");
  list.whole("heads", heads, 1, 1000, "number of attention heads");
  list.alias("cross_att_head_n", "heads");
  list.whole("rank", rank, 1, 1000, "rank of an expert");
  list.alias("lora_rank", "rank");
  list.whole("routing_queries", routing_queries, 1, 1000,
             "number of trained queries, and of vectors of a routing feature");
  list.alias("eqe_n", "routing_queries");
  list.number("scale", scale, 1e-6, 1e6, "factors of an expert are divided by scale * sqrt(rank)");
  list.alias("lora_scale", "scale");
}

size_t expert_stage(const Model& model, const LiveEditConfig& config) {
  const auto embed = model.first_stage(Module::language);
  const auto blocks = static_cast<int64_t>(model.stages().size() - embed) - 2;
  if (config.layer >= blocks || blocks < 1)
    throw Error("editing::liveedit",
                fmt::format("layer {} does not exist: the language module has {} blocks",
                            config.layer, blocks),
                fmt::format("use a number from 0 to {}, or -1", std::max<int64_t>(0, blocks - 1)));
  const auto layer = config.layer < 0 ? kPublishedLayer * blocks / kPublishedDepth : config.layer;
  return embed + 1 + static_cast<size_t>(layer);
}

LiveEditSizes liveedit_sizes(const Model& model, const LiveEditConfig& config) {
  LiveEditSizes sizes;
  sizes.picture_tokens = picture_places(model);
  if (sizes.picture_tokens == 0)
    throw Error("editing::liveedit",
                "LiveEdit finds edits by their pictures, but this model reads text only",
                "use another editor, such as grace or wise");
  sizes.width = text_width(model);
  sizes.module_dim =
      config.module_dim > 0 ? config.module_dim : std::min(sizes.width, kPublishedWidth);
  sizes.heads = config.heads;
  for (const auto& [name, width] :
       {std::pair{"the setting module_dim", sizes.module_dim},
        std::pair{"the width of the model", sizes.width}})
    if (width % sizes.heads != 0)
      throw Error("editing::liveedit",
                  fmt::format("{} is {}, which is not a multiple of the number of heads, {}", name,
                              width, sizes.heads),
                  "choose another number of heads (--set heads=4)");
  sizes.rank = config.rank;
  sizes.routing_queries = config.routing_queries;
  sizes.scale = config.scale;
  return sizes;
}

LiveEditState::LiveEditState(const Model& model, const LiveEditConfig& given, uint64_t seed)
    : config(given),
      stage(expert_stage(model, given)),
      generator(liveedit_sizes(model, given), seed, model.device()),
      router(liveedit_sizes(model, given), seed + 1, model.device()) {}

NamedTensors LiveEditState::parameters() const {
  auto all = generator.parameters();
  for (auto& one : router.parameters()) all.push_back(std::move(one));
  return all;
}

LiveEditEditor::LiveEditEditor(const nlohmann::json& settings)
    : settings_(read_settings<LiveEditSettings>("liveedit", settings)) {}

size_t LiveEditEditor::first_stage(const Model& model) const {
  const auto* known = state_.known();
  return known ? known->stage : model.first_stage(Module::language);
}

const LiveEditState& LiveEditEditor::state(const Vlm& vlm) const {
  return state_.of(vlm, [&](const std::string& base) {
    liveedit_sizes(*vlm.model, {});  // refuses a text-only model before it asks for a checkpoint
    const auto file =
        settings_.checkpoint.empty() ? find_checkpoint(vlm, "liveedit", "") : settings_.checkpoint;
    const auto checkpoint = load_checkpoint(file, "liveedit", base);
    auto state = std::make_shared<LiveEditState>(
        *vlm.model, read_known_settings<LiveEditConfig>("liveedit", checkpoint.settings));
    copy_tensors(checkpoint.tensors, state->parameters(), "liveedit", file);
    return state;
  });
}

Patch LiveEditEditor::edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
                           const EditContext& context) const {
  at::NoGradGuard no_grad;
  refuse_request_edits(context);
  const auto forced = force_edits(vlm, requests, /*end_of_answer=*/false);  // validates them
  const auto& state = this->state(vlm);
  for (const auto& request : requests)
    if (!request.image.present())
      throw Error("editing::liveedit",
                  "LiveEdit finds edits by their pictures, but this edit has no image",
                  "give an image, or use another editor, such as grace or wise");

  auto patch = patch_for(*this, vlm, requests);
  patch.memory.network = detached_tensors(state.router.parameters());
  patch.memory.reading = settings_json(state.config);

  // The experts of earlier edits do not change the states from which an expert is made.
  auto rest = context;
  rest.base.clear();
  Patch all = patch;
  for (const auto& change : context.base) {
    const auto* earlier = change.mix.target<LiveEditOutput>();
    if (earlier && earlier->memory->reads_like(patch))
      for (const auto& entry : earlier->memory->entries()) all.memory.add(entry);
    else
      rest.base.push_back(change);
  }
  auto pass = forward_until(vlm, forced.batch, state.stage, rest.base, context.store);
  vlm.model->run(pass, state.stage, rest.base);
  const auto edits = QuestionStates::of(pass, pass.hidden);
  const auto& features = state.generator.features();
  const auto experts = state.generator.experts(edits);
  const std::map<std::string, at::Tensor> made = {{"picture", features.picture(edits)},
                                                  {"text", features.text(edits)},
                                                  {"down", experts.down},
                                                  {"up", experts.up}};
  for (size_t i = 0; i < requests.size(); ++i) {
    MemoryEntry entry;
    entry.name = entry_name(requests[i].prompt, forced.batch, i);
    entry.facts = {{"prompt", requests[i].prompt},
                   {"target", requests[i].target},
                   {"image", requests[i].image.path}};
    for (const auto& [name, tensor] : made)
      entry.tensors[name] = tensor[static_cast<int64_t>(i)].to(at::kCPU).clone();
    patch.memory.add(entry);
    all.memory.add(std::move(entry));
  }

  const auto memory = std::make_shared<const LiveEditMemory>(*vlm.model, all);
  auto used = nlohmann::json::array();  // the number of experts that each question uses
  for (const auto& route : memory->route(pass, pass.hidden)) used.push_back(route.experts.numel());
  for (auto& change : liveedit_interventions(memory)) rest.base.push_back(std::move(change));
  patch.effect = edit_effect(vlm, requests, /*end_of_answer=*/true, state.stage, rest, {});
  patch.effect["steps"] = 0;
  patch.effect["experts"] = std::move(used);
  patch.id = patch_id(patch);
  return patch;
}

EditorInfo liveedit_editor() {
  return {"liveedit",
          "stores a low-rank expert of each edit, made by a trained network; pictures and texts "
          "decide which experts a question uses (train it first)",
          describe_settings<LiveEditSettings>(),
          [](const nlohmann::json& given) { return std::make_unique<LiveEditEditor>(given); },
          [](const Vlm& vlm, const Patch& patch, ActivationStore*) {
            return liveedit_interventions(
                std::make_shared<const LiveEditMemory>(*vlm.model, patch));
          },
          {"The layer is at the relative depth of the published one (block 21 of 32).",
           "The networks are as wide as the model if that is less than the published 1024.",
           "A question ends where the answer begins, also during generation, and is routed once. "
           "The public code treats generated tokens as part of the question, unless the end of "
           "the question is given.",
           "The end of the answer is also trained (end_of_answer).",
           "The learning rate decreases at the end (decay), instead of to a tenth after 10,000 "
           "steps."},
          make_networks<TrainableLiveEdit>,
          describe_settings<LiveEditTrainingSettings>(),
          /*collects_demonstrations=*/false,
          /*rewrites_prompts=*/false,
          /*memory_facts=*/{},
          /*without_effect=*/{},
          /*needs_pictures=*/true};
}

}  // namespace emend
