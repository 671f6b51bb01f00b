#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "editing/editor.h"
#include "editing/editors/mend_network.h"
#include "editing/settings.h"

namespace emend {

struct MendSettings {
  std::string module = "language";
  std::string checkpoint;  // a trained editor; empty: the one that came with the model
  int64_t rounds = 20;
  double until = 0.02;

  void declare(SettingList& list);
};

// How long edits go on that do not hold yet.
struct MendRounds {
  int64_t most = 0;  // in all
  double until = 0;  // mean nll a token
};

// A trained MEND.
struct MendTrained {
  MendNetwork network;
  bool end_of_answer = false;

  // The deltas of each row, or picture, of a batch of edits, and the loss before. A round takes the
  // gradient of the model as the rounds before it have changed it, and adds its tokens to the
  // deltas; MEND proper has one. `observe`: hears of each round's factors. `more`: edits whose loss
  // is still above `until` after the rounds that the network was trained for go on with its last,
  // as long as each lowers the loss.
  struct Made {
    std::vector<EditDeltas> deltas;
    double loss = 0;
    int64_t rounds = 0;
  };
  Made make(const Model& model, const Pass& prefix, const ForcedBatch& forced,
            const Interventions& base,
            const std::function<void(const std::vector<Factors>&)>& observe = {},
            const MendRounds& more = {}) const;
};

// MEND (Mitchell et al., arXiv 2110.11309) as MMEdit uses it (arXiv 2310.08475): a network, trained
// beforehand, turns the edit's gradient into low-rank deltas. Several requests are the sum of their
// single edits.
class MendEditor : public Editor {
 public:
  // Throws emend::Error for unknown settings.
  explicit MendEditor(const nlohmann::json& settings);
  // One that is still being trained.
  explicit MendEditor(std::shared_ptr<const MendTrained> trained) : trained_(std::move(trained)) {}

  std::string name() const override { return "mend"; }
  nlohmann::json settings() const override { return settings_json(settings_); }
  size_t first_stage(const Model& model) const override;
  Patch edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
             const EditContext& context = {}) const override;

 private:
  const MendTrained& trained(const Vlm& vlm) const;

  MendSettings settings_;
  mutable std::shared_ptr<const MendTrained> trained_;  // read at the first edit
  mutable std::string base_;                            // the model that it was read for
};

}  // namespace emend
