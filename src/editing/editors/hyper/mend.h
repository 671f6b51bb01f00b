#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "editing/editors/hyper/hyper_editor.h"
#include "editing/editors/hyper/mend_network.h"
#include "editing/editors/lifelong/sequence_changes.h"

namespace emend {

// The number of gradients that an edit takes. The published method takes one.
struct MendRounds {
  int64_t most = 0;      // maximum number; 0: as many as in training
  double stop_loss = 0;  // mean nll per token at which an edit takes no further gradient
};

// Settings of MEND.
struct MendSettings : HyperSettings {
  SequenceSettings sequence;

  void declare(SettingList& list);
};

// Settings of MEND with several rounds.
struct MendIteratedSettings : MendSettings {
  MendRounds rounds{20, 0.02};

  void declare(SettingList& list);
};

// The networks of MEND, trained for one model.
struct MendState {
  MendNetwork network;
  bool end_of_answer = false;

  // Returns the deltas of each row (or picture) of a batch of edits, and the losses. A round takes
  // the gradient of the model with the deltas of the earlier rounds, and adds its tokens to the
  // deltas. The published method has one round. `observe` receives the factors of each round.
  // `more`: edits whose loss is above `stop_loss` after the trained number of rounds take further
  // rounds with the network of the last round, as long as each round reduces the loss.
  struct Edit {
    std::vector<EditDeltas> deltas;
    std::vector<double> losses;  // mean over the rows, before each round
    int64_t rounds = 0;
    bool limited = false;  // whether further rounds could reduce the loss
  };
  Edit make(const Model& model, const Pass& prefix, const ForcedBatch& forced,
            const Interventions& base,
            const std::function<void(const std::vector<GradientFactors>&)>& observe = {},
            const MendRounds& more = {}) const;
};

// MEND (Mitchell et al., arXiv 2110.11309) as MMEdit uses it (arXiv 2310.08475): a network, which
// is trained first, turns one gradient of the edit into low-rank deltas. A batch edit is the sum of
// its single edits.
class MendEditor : public HyperEditor<MendState> {
 public:
  // Throws emend::Error if a setting is unknown.
  explicit MendEditor(const nlohmann::json& settings);
  // Makes an editor that is still in training.
  explicit MendEditor(std::shared_ptr<const MendState> state) : HyperEditor(std::move(state)) {}

  std::string name() const override { return "mend"; }
  nlohmann::json settings() const override { return settings_json(settings_); }

 protected:
  explicit MendEditor(const MendSettings& settings) : HyperEditor(settings), settings_(settings) {}
  virtual MendRounds rounds() const { return {}; }
  MendState load(const Model& model, EditorCheckpoint& checkpoint, const std::string& module,
                 const std::string& file) const override;
  HyperEdit propose(const Vlm& vlm, const MendState& state,
                    const std::vector<EditRequest>& requests, const Pass& prefix,
                    const ForcedBatch& forced, const EditContext& context) const override;

 private:
  MendSettings settings_;
  SequenceChanges sequence_;
};

// MEND with several rounds: an edit that does not hold after the first gradient takes the gradient
// of the edited model, and so on. This is emend's own extension, with separately trained networks.
class MendIteratedEditor : public MendEditor {
 public:
  explicit MendIteratedEditor(const nlohmann::json& settings);
  explicit MendIteratedEditor(std::shared_ptr<const MendState> state)
      : MendEditor(std::move(state)) {}

  std::string name() const override { return "mend-iterated"; }
  nlohmann::json settings() const override { return settings_json(settings_); }

 protected:
  MendRounds rounds() const override { return settings_.rounds; }

 private:
  explicit MendIteratedEditor(const MendIteratedSettings& settings)
      : MendEditor(static_cast<const MendSettings&>(settings)), settings_(settings) {}

  MendIteratedSettings settings_;
};

}  // namespace emend
