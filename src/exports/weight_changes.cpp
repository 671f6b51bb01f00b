#include "exports/weight_changes.h"

#include <fmt/format.h>

#include <string_view>

#include "io/error.h"

namespace emend {

std::map<std::string, WeightDelta> weight_changes(const PatchStack& stack) {
  MergedPatches sum;
  for (const auto& patch : stack.patches()) {
    if (!patch.memory.entries.empty())
      throw Error("exports::weights",
                  fmt::format("patch {} of {} answers from a memory, which cannot be a part of the "
                              "weights",
                              patch.id, patch.editor),
                  "run the patch with emend (`emend ask --patch`), or make the edit with an editor "
                  "that changes weights, such as ft, lora, mend or memit");
    sum.add(patch);
  }
  std::map<std::string, WeightDelta> changes;
  for (auto& change : sum.site_deltas()) changes[change.site] = std::move(change.delta);
  if (changes.empty())
    throw Error("exports::weights", "the patches change no weights",
                "give a patch of an edit, as `emend edit -o FILE` writes it");
  return changes;
}

std::optional<WeightDelta> take_change(std::map<std::string, WeightDelta>& changes,
                                       const std::string& name) {
  constexpr std::string_view kEnding = ".weight";
  if (!name.ends_with(kEnding)) return std::nullopt;
  const auto node = changes.extract(name.substr(0, name.size() - kEnding.size()));
  return node ? std::optional(node.mapped()) : std::nullopt;
}

void refuse_change(const std::string& folder, const std::string& site) {
  throw Error("exports::weights",
              fmt::format("'{}' has no tensor for the changed layer '{}'", folder, site),
              "this is an error in emend; please report it");
}

MergedWeight merged_weight(const at::Tensor& weight, const WeightDelta& change) {
  const at::NoGradGuard no_grad;
  const auto delta = change.materialized().to(at::kCPU);
  return {weight.to(at::kCPU, at::kFloat) + delta, delta};
}

}  // namespace emend
