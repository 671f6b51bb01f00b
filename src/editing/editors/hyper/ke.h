#pragma once

#include <memory>
#include <string>
#include <vector>

#include "editing/editor.h"
#include "editing/editors/hyper/ke_network.h"
#include "editing/targets/block_sites.h"

namespace emend {

// What shapes KE's networks.
struct KeShape {
  BlockSites where;
  int64_t reader = 128, condition = 1024, hidden = 128;
  double max_scale = 1;
  bool unit_gradient = true;
  bool image = false;  // the condition sees the picture, too

  void declare(SettingList& list);
  KeNetwork network(const Model& model, double init, int64_t seed) const;
};

struct KeSettings {
  std::string module = "language";
  std::string checkpoint;  // a trained editor; empty: the one that came with the model

  void declare(SettingList& list);
};

// "{wrong answer} >> {right answer} || {question}" of each request: what KE reads. The wrong answer
// is EditRequest::before, or else what the model itself says under `base`.
std::vector<std::string> edit_texts(const Vlm& vlm, const std::vector<EditRequest>& requests,
                                    const Interventions& base, ActivationStore* store);

// A trained KE.
struct KeTrained {
  KeNetwork network;
  bool end_of_answer = false;

  // The deltas of each row, or picture, of a batch of edits, and the loss before. `texts`: of the
  // rows. A picture that several rows ask about is changed by the mean of their conditions. A
  // picture is seen as the mean over its positions of the stream where `prefix` stands.
  struct Made {
    std::vector<EditDeltas> deltas;
    double loss = 0;
  };
  Made make(const Vlm& vlm, const Pass& prefix, const ForcedBatch& forced,
            const std::vector<std::string>& texts, const Interventions& base) const;
};

// KE (De Cao, Aziz, Titov, arXiv 2104.08164): a network that reads what is to be changed into what
// turns the edit's gradient into low-rank deltas; trained beforehand. Several requests are the sum
// of their single edits.
class KeEditor : public Editor {
 public:
  // Throws emend::Error for unknown settings.
  explicit KeEditor(const nlohmann::json& settings);
  // One that is still being trained.
  explicit KeEditor(std::shared_ptr<const KeTrained> trained) : trained_(std::move(trained)) {}

  std::string name() const override { return "ke"; }
  nlohmann::json settings() const override { return settings_json(settings_); }
  size_t first_stage(const Model& model) const override;
  Patch edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
             const EditContext& context = {}) const override;

 private:
  const KeTrained& trained(const Vlm& vlm) const;

  KeSettings settings_;
  mutable std::shared_ptr<const KeTrained> trained_;  // read at the first edit
  mutable std::string base_;                          // the model that it was read for
};

}  // namespace emend
