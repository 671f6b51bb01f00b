#pragma once

#include <optional>
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
  // sites=traced: the block of the module is edited in which the trace of the edit, or the trace in
  // `file`, has the largest effect.
  struct TracedBlock {
    Module module = Module::language;
    std::string file;  // empty: each edit is traced
  };
  // Empty: the editor has no such setting, or it has another value.
  virtual std::optional<TracedBlock> traced_block() const { return std::nullopt; }
  // The sites to edit, in model order; with sites=traced, those of all blocks.
  virtual std::vector<Site> sites(const Model& model) const = 0;
  // Initial parameters for these sites, on the model's device.
  virtual DeltaParameters initial_parameters(const Model& model,
                                             const std::vector<Site>& sites) const = 0;
  virtual const DeltaOptimizerSettings& optimizer_settings() const = 0;
};

}  // namespace emend
