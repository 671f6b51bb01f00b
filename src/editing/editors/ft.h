#pragma once

#include <optional>

#include "editing/editor.h"

namespace emend {

// Fine-tuning: AdamW on weight deltas until the model gives the target. The field's baseline; the
// paper (arXiv 2310.08475) tunes the last decoder block's FFN, or the Q-Former.
struct FtSettings {
  std::string module =
      "language";             // language: last decoder block's FFN; vision: the bridge (Q-Former)
  std::string sites;          // a glob of sites instead of a module's
  int64_t steps = 40;         // at most; VLKEB's public setting is 15
  double lr = 0;              // 0: 1e-3 for language, 5e-4 for vision and sites (VLKEB: 2e-4)
  double weight_decay = 0;    // pulls the delta, not the weight, to zero
  double stop_loss = 0.05;    // stop when the loss (nats a token) is below and the answer holds;
                              // 0 never stops early
  bool end_of_answer = true;  // teach the stop token after the target too, so that the generated
                              // answer ends; the field's teacher-forced loss leaves it out
  int64_t seed = 0;           // recorded; nothing in this editor is drawn
};

class FtEditor : public Editor {
 public:
  // Throws emend::Error for unknown settings or values out of range.
  explicit FtEditor(const nlohmann::json& settings);
  std::string name() const override { return "ft"; }
  nlohmann::json settings() const override;
  // Stages before the first edited one run once, without gradients. Throws emend::Error when the
  // sites do not touch the answer or the loss is no longer a number.
  size_t first_stage(const Model& model) const override;
  Patch edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
             const EditContext& context = {}) const override;

 private:
  std::vector<Site> find_sites(const Model& model) const;

  FtSettings settings_;
};

}  // namespace emend
