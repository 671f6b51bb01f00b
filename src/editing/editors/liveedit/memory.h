#pragma once

#include <memory>
#include <vector>

#include "editing/editors/liveedit/liveedit.h"
#include "editing/patches/patch.h"

namespace emend {

// The experts of a patch's memory on a running model. The order of the entries does not matter.
class LiveEditMemory {
 public:
  // The experts that a question uses, as indices of entries() in ascending order, and their
  // weights: (m). Both are empty for a question without experts.
  struct Route {
    at::Tensor experts, weights;
  };

  // Throws emend::Error if the memory is malformed or does not fit the model.
  LiveEditMemory(const Model& model, const Patch& patch);

  const std::string& stage() const { return stage_; }
  // Sorted by name.
  const std::vector<MemoryEntry>& entries() const { return entries_; }
  // Whether both patches have the same networks and settings.
  bool reads_like(const Patch& patch) const;

  // Routes each row of a pass by its prompt. hidden: the output of the block (B, T, W). The route
  // of a row depends neither on other rows nor on experts that the row does not use.
  std::vector<Route> route(const Pass& pass, const at::Tensor& hidden) const;
  // Adds the outputs of the experts. Rows that use none keep their bits. During generation, a row
  // is routed once, and the route is kept in the cache.
  at::Tensor apply(const Pass& pass, const at::Tensor& hidden) const;

 private:
  Route route(const QuestionStates& question) const;

  LiveEditSettings settings_;
  nlohmann::json reading_;
  std::map<std::string, at::Tensor> network_;
  LiveEditConfig config_;
  std::string stage_;
  ExpertRouter router_;
  std::vector<MemoryEntry> entries_;
  at::Tensor pictures_, texts_;  // (E, n, module_dim): routing features
  Experts experts_;
};

// Intervention::boundary_mix of a memory.
struct LiveEditOutput {
  std::shared_ptr<const LiveEditMemory> memory;

  at::Tensor operator()(const Pass& pass, const at::Tensor& hidden) const {
    return memory->apply(pass, hidden);
  }
};
Interventions liveedit_interventions(std::shared_ptr<const LiveEditMemory> memory);

// The sizes of the networks for a model. Throws emend::Error as LiveEditState does.
LiveEditSizes liveedit_sizes(const Model& model, const LiveEditConfig& config);

}  // namespace emend
