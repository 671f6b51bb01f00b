#pragma once

#include <map>
#include <optional>
#include <string>

#include "editing/patches/patch_stack.h"

namespace emend {

// The sum of the stack's weight changes by site. Throws emend::Error if a patch of the stack
// answers from a memory (SERAC, IKE, ledger, ...), which no weight can express, or if nothing is
// changed.
std::map<std::string, WeightDelta> weight_changes(const PatchStack& stack);

// Removes the change of the layer whose weight is the tensor `name` from the changes, and returns
// it; none: the tensor is not changed.
std::optional<WeightDelta> take_change(std::map<std::string, WeightDelta>& changes,
                                       const std::string& name);
// The error of a change whose layer has no tensor in the folder and no tied weight.
[[noreturn]] void refuse_change(const std::string& folder, const std::string& site);

// weight + change, before it is rounded to the written type. Both: (out, in) float32 on the CPU.
struct MergedWeight {
  at::Tensor weight, change;
};
MergedWeight merged_weight(const at::Tensor& weight, const WeightDelta& change);

}  // namespace emend
