#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "editing/editor.h"
#include "editing/editors/liveedit/networks.h"
#include "editing/settings/settings.h"
#include "editing/training/trained_state.h"

namespace emend {

// Settings of LiveEdit.
struct LiveEditSettings {
  std::string checkpoint;  // a trained editor; empty: the one in the model folder
  bool hard_routing = true, soft_routing = true;

  void declare(SettingList& list);
};

// The layer and the sizes of the networks. They are settings of training, and a checkpoint and the
// memory of a patch store them.
struct LiveEditConfig {
  int64_t layer = -1;      // number of the language block; -1: at 21/32 of the depth
  int64_t module_dim = 0;  // 0: the width of the model, at most 1024
  int64_t heads = 8, rank = 4, routing_queries = 4;
  double scale = 5;

  void declare(SettingList& list);
};

// The stage whose output the experts change. Throws emend::Error if the layer does not exist.
size_t expert_stage(const Model& model, const LiveEditConfig& config);

// The networks of the editor, trained for one model.
struct LiveEditState {
  // Throws emend::Error if the model reads no pictures, or if a size does not fit.
  LiveEditState(const Model& model, const LiveEditConfig& config, uint64_t seed = 0);

  LiveEditConfig config;
  size_t stage;
  ExpertGenerator generator;
  ExpertRouter router;

  NamedTensors parameters() const;
};

// LiveEdit [arXiv 2411.15432] changes no weights. A trained network makes a low-rank expert of each
// edit, whose output is added to that of one language block at all positions. A question uses the
// experts whose pictures are more similar to its own than the sentinel (hard routing), weighted by
// the similarity of the texts (soft routing). Questions without a picture, and questions that no
// expert concerns, keep the bits of their answers. A batch edit has one entry for each request.
class LiveEditEditor : public Editor {
 public:
  // Throws emend::Error if a setting is unknown.
  explicit LiveEditEditor(const nlohmann::json& settings);
  // Makes an editor that is still in training.
  explicit LiveEditEditor(std::shared_ptr<const LiveEditState> state) : state_(std::move(state)) {}

  std::string name() const override { return "liveedit"; }
  nlohmann::json settings() const override { return settings_json(settings_); }
  // The embedding of the language module, as long as no checkpoint was read.
  size_t first_stage(const Model& model) const override;
  // Throws emend::Error if a request has no picture.
  Patch edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
             const EditContext& context = {}) const override;

 private:
  const LiveEditState& state(const Vlm& vlm) const;

  LiveEditSettings settings_;
  TrainedState<LiveEditState> state_;
};

}  // namespace emend
