#include "editing/editors/ike/ike.h"

#include "editing/editors/editors.h"
#include "editing/editors/ike/prompt_rewriter.h"
#include "editing/editors/memory/entries.h"
#include "editing/editors/optimize_deltas.h"
#include "editing/training/forced.h"

namespace emend {
namespace {

std::string without_space(const std::string& target) {
  const auto begin = target.find_first_not_of(' ');
  return begin == std::string::npos ? "" : target.substr(begin);
}

}  // namespace

void IkeSettings::declare(SettingList& list) {
  list.whole("k", k, 0, 100000, "maximum number of demonstrations");
  templates.declare(list);
  list.flag("copy_demonstration", copy_demonstration,
            "use the edit itself as the last demonstration");
  list.alias("own", "copy_demonstration");
  list.flag("images", images,
            "show the picture of the edit before its fact, and pictures of demonstrations if the "
            "corpus has them");
  list.whole("reserved_answer_tokens", reserved_answer_tokens, 1, 1000000,
             "number of positions reserved for the answer");
  list.alias("room", "reserved_answer_tokens");
  list.text("checkpoint", checkpoint,
            "corpus of demonstrations; empty: the one in the model folder");
  list.text("embedding", embedding,
            "required embedding of the corpus: states, or the current folder of the sentence "
            "encoder; empty: any");
}

IkeEditor::IkeEditor(const nlohmann::json& settings)
    : settings_(read_settings<IkeSettings>("ike", settings)) {
  settings_.templates.check();
}

const IkeCorpus& IkeEditor::corpus(const Vlm& vlm) const {
  return corpus_.of(vlm, [&](const std::string&) {
    const auto file =
        settings_.checkpoint.empty() ? find_checkpoint(vlm, "ike", "") : settings_.checkpoint;
    return std::make_shared<const IkeCorpus>(IkeCorpus::load(vlm, file, settings_.embedding));
  });
}

Patch IkeEditor::edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
                      const EditContext&) const {
  at::NoGradGuard no_grad;
  const auto forced =
      force_edits(vlm, requests, /*end_of_answer=*/false);  // validates the requests

  auto patch = patch_for(*this, vlm, requests);
  size_t found = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto& images = forced.batch.rows[i].images;
    const auto target = without_space(requests[i].target);
    MemoryEntry entry;
    entry.name = entry_name(requests[i].prompt, forced.batch, i);
    entry.facts = {{"prompt", requests[i].prompt},
                   {"target", target},
                   {"image", requests[i].image.path},
                   {"demonstrations", nlohmann::json::array()}};
    if (settings_.images && !images.empty())
      entry.tensors["picture"] = forced.batch.pixels[images[0]].clone();
    if (settings_.k > 0) {
      const auto& corpus = this->corpus(vlm);
      for (auto index : corpus.nearest(vlm, requests[i].prompt, target, settings_.k)) {
        const auto& demonstration = corpus.demonstrations[static_cast<size_t>(index)];
        auto& texts = entry.facts["demonstrations"];
        if (settings_.images && demonstration.picture >= 0)
          entry.tensors["demonstration." + std::to_string(texts.size())] =
              corpus.pictures[demonstration.picture].clone();
        texts.push_back(settings_.templates.format_demonstration(demonstration));
      }
    }
    found += entry.facts["demonstrations"].size();
    patch.memory.add(std::move(entry));
  }
  auto asked = forced.batch.rows[0];
  const auto shown = IkePromptRewriter(vlm, patch).shown(asked);
  patch.effect = {{"steps", 0},
                  {"demonstrations", {{"found", found}, {"shown", shown.demonstrations}}}};
  patch.id = patch_id(patch);
  return patch;
}

EditorInfo ike_editor() {
  return {
      "ike",
      "puts the edit and retrieved demonstrations before every prompt (collect demonstrations "
      "first)",
      describe_settings<IkeSettings>(),
      [](const nlohmann::json& given) { return std::make_unique<IkeEditor>(given); },
      [](const Vlm& vlm, const Patch& patch, ActivationStore*) {
        auto rewriter = std::make_shared<const IkePromptRewriter>(vlm, patch);
        auto change = Intervention::request(
            [rewriter](const Batch& batch) { return rewriter->rewrite(batch); });
        return Interventions{change};
      },
      {"Demonstrations are embedded by hidden states of the model, unless their collection names a "
       "sentence encoder: EasyEdit uses the sentence encoder all-MiniLM-L6-v2.",
       "Demonstrations that do not fit into the model's positions are omitted, the least similar "
       "first.",
       "Demonstrations come from the first 1,000 records of the training split (records): "
       "EasyEdit uses all of them."},
      {},
      describe_settings<IkeCorpusSettings>(),
      /*collects_demonstrations=*/true,
      /*rewrites_prompts=*/true};
}

}  // namespace emend
