#include "editing/editors/optimizing_editor.h"

#include <fmt/format.h>

#include "editing/targets/target_modules.h"
#include "editing/tracing/trace_edits.h"
#include "editing/tracing/trace_options.h"
#include "io/error.h"

namespace emend {

namespace {

std::vector<Site> in_traced_block(const Vlm& vlm, const std::vector<EditRequest>& requests,
                                  const EditContext& context, Module module,
                                  const std::string& file, const std::vector<Site>& candidates) {
  const auto trace = trace_edits(vlm, requests, file, module, context);
  auto sites = traced_sites(*vlm.model, trace, module, 1, candidates);
  if (sites.empty())
    throw Error("editing::optimizing_editor",
                fmt::format("the traced block of {} is not in this model", module_name(module)),
                "trace this model, or remove the setting 'trace'");
  return sites;
}

}  // namespace

size_t OptimizingEditor::first_stage(const Model& model) const {
  return first_stage_of(model, sites(model));
}

Patch OptimizingEditor::edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
                             const EditContext& context) const {
  const auto& model = *vlm.model;
  auto edited = sites(model);
  if (const auto block = traced_block())
    edited = in_traced_block(vlm, requests, context, block->module, block->file, edited);
  return optimize_deltas(*this, vlm, requests, context, first_stage_of(model, edited),
                         optimizer_settings(), initial_parameters(model, edited));
}

}  // namespace emend
