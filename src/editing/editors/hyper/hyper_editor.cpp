#include "editing/editors/hyper/hyper_editor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <set>

#include "editing/editors/failed_tokens.h"
#include "editing/editors/optimize_deltas.h"
#include "editing/targets/block_sites.h"
#include "io/error.h"
#include "nn/loss.h"

namespace emend {

void HyperSettings::declare(SettingList& list) {
  BlockSites::declare_module(list, module);
  list.text("checkpoint", checkpoint,
            "checkpoint of the trained editor; empty: the one in the model folder");
  list.text("sites", sites,
            "glob of the layers that the checkpoint must have been trained for; empty: any");
}

void require_sites(const Model& model, const std::string& wanted, const std::vector<Site>& trained,
                   const std::string& file) {
  if (wanted.empty()) return;
  const auto names = [](const std::vector<Site>& sites) {
    std::set<std::string> all;
    for (const auto& site : sites) all.insert(site.name);
    return all;
  };
  const auto of_checkpoint = names(trained);
  if (names(model.find_sites(wanted)) == of_checkpoint) return;
  throw Error(
      "editing::checkpoint",
      fmt::format("'{}' was trained for other layers than `{}`: {}", file, wanted,
                  fmt::join(of_checkpoint, ", ")),
      "train the editor for these layers (`emend train --set sites=GLOB`, or --hparams), or name "
      "the layers of the checkpoint");
}

Patch hyper_patch(const Editor& editor, const Vlm& vlm, const std::vector<EditRequest>& requests,
                  const EditContext& context, const ForcedBatch& forced, Pass prefix,
                  const HyperEdit& edit) {
  const auto& model = *vlm.model;
  auto patch = patch_for(editor, vlm, requests);
  for (const auto& deltas : edit.deltas) {
    auto change = joined(deltas);
    if (change.delta.down.size(0) == 0) continue;
    if (edit.adapt) change.delta = edit.adapt(change);
    patch.deltas.push_back(std::move(change));
  }
  patch.keys = edit.keys;
  if (patch.deltas.empty())
    throw Error("editing::" + editor.name(), "the edit has no gradient at any layer of the editor",
                "without an image, only the language module can be edited");

  auto edited = context.base;
  for (auto& change : on_weights(patch.deltas)) edited.push_back(std::move(change));
  prefix.logit_positions = answer_positions(forced).to(model.device());
  model.run(prefix, edited);
  const auto logits = prefix.logits().to(at::kFloat);
  const auto loss = answer_loss(logits, answer_tokens(forced).to(model.device())).item<double>();
  if (!std::isfinite(loss))
    throw Error("editing::" + editor.name(), fmt::format("the loss is {} after the edit", loss),
                "train the editor longer, or with a lower learning rate");
  const auto best = logits.argmax(-1).to(at::kCPU).contiguous();
  const auto failed =
      failed_tokens(vlm.processor, forced.answers,
                    {best.data_ptr<int64_t>(), best.data_ptr<int64_t>() + best.numel()});
  auto losses = edit.losses;
  losses.push_back(loss);
  patch.effect = {{"steps", edit.steps},
                  {"loss_before", losses.front()},
                  {"loss_after", loss},
                  {"holds", failed.empty()},
                  {"stop_reason", failed.empty() ? "holds" : edit.failure_reason},
                  {"losses", losses},
                  {"failed_tokens", failed}};
  if (!edit.effect.is_null()) patch.effect.update(edit.effect);
  patch.id = patch_id(patch);
  return patch;
}

}  // namespace emend
