#pragma once

#include <memory>
#include <string>
#include <vector>

#include "editing/editors/hyper/hyper_editor.h"
#include "editing/editors/hyper/ke_network.h"
#include "editing/targets/block_sites.h"

namespace emend {

// Sizes and options of KE's networks.
struct KeConfig {
  BlockSites where;
  int64_t lstm_width = 128, condition_width = 1024, hidden_width = 128;
  double max_scale = 1;
  bool unit_gradient = true;
  bool image = false;  // also condition on the picture

  void declare(SettingList& list);
  KeNetwork network(const Model& model, double init, int64_t seed) const;
};

using KeSettings = HyperSettings;

// The text that KE reads for each request: "{wrong answer} >> {right answer} || {question}". The
// wrong answer is EditRequest::before, or the answer that the model generates with `base` applied.
std::vector<std::string> edit_texts(const Vlm& vlm, const std::vector<EditRequest>& requests,
                                    const Interventions& base, ActivationStore* store);

// The networks of KE, trained for one model.
struct KeState {
  KeNetwork network;
  bool end_of_answer = false;

  // Returns the deltas of each row (or picture) of a batch of edits, and the loss before the edit.
  // `texts` has one text for each row. The deltas of a picture that several rows share use the mean
  // of their conditioning vectors. The picture vector is the mean of the residual stream at
  // `prefix` over the positions of the picture.
  struct Edit {
    std::vector<EditDeltas> deltas;
    double loss = 0;
  };
  Edit make(const Vlm& vlm, const Pass& prefix, const ForcedBatch& forced,
            const std::vector<std::string>& texts, const Interventions& base) const;
};

// KE (De Cao, Aziz, Titov, arXiv 2104.08164): a network, which is trained first, reads the text of
// an edit and turns the gradient of the edit into low-rank deltas. A batch edit is the sum of its
// single edits.
class KeEditor : public HyperEditor<KeState> {
 public:
  // Throws emend::Error if a setting is unknown.
  explicit KeEditor(const nlohmann::json& settings);
  // Makes an editor that is still in training.
  explicit KeEditor(std::shared_ptr<const KeState> state) : HyperEditor(std::move(state)) {}

  std::string name() const override { return "ke"; }
  nlohmann::json settings() const override { return settings_json(settings_); }

 protected:
  KeState load(const Model& model, EditorCheckpoint& checkpoint, const std::string& module,
               const std::string& file) const override;
  HyperEdit propose(const Vlm& vlm, const KeState& state, const std::vector<EditRequest>& requests,
                    const Pass& prefix, const ForcedBatch& forced,
                    const EditContext& context) const override;

 private:
  explicit KeEditor(const KeSettings& settings) : HyperEditor(settings), settings_(settings) {}

  KeSettings settings_;
};

}  // namespace emend
