#include "editing/editors/optimizing_editor.h"

#include "editing/targets/target_modules.h"

namespace emend {

size_t OptimizingEditor::first_stage(const Model& model) const {
  return first_stage_of(model, sites(model));
}

Patch OptimizingEditor::edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
                             const EditContext& context) const {
  const auto& model = *vlm.model;
  const auto edited = sites(model);
  return optimize_deltas(*this, vlm, requests, context, first_stage_of(model, edited),
                         optimizer_settings(), initial_parameters(model, edited));
}

}  // namespace emend
