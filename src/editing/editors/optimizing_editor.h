#pragma once

#include <string>
#include <vector>

#include "editing/editor.h"
#include "editing/editors/optimize_deltas.h"

namespace emend {

// Base of the editors that optimize weight deltas until the model gives the targets (ft, lora). A
// derived editor chooses the sites and how a delta is made of parameters: dense or low-rank.
class OptimizingEditor : public Editor {
 public:
  size_t first_stage(const Model& model) const override;
  Patch edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
             const EditContext& context) const override;

 protected:
  // The sites to edit, in model order.
  virtual std::vector<Site> sites(const Model& model) const = 0;
  // Initial parameters for these sites, on the model's device.
  virtual DeltaParameters initial_parameters(const Model& model,
                                             const std::vector<Site>& sites) const = 0;
  virtual const DeltaOptimizerSettings& optimizer_settings() const = 0;
};

}  // namespace emend
