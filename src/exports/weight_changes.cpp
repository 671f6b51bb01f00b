#include "exports/weight_changes.h"

#include <fmt/format.h>

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
  for (auto& change : sum.deltas()) changes[change.site] = std::move(change.delta);
  if (changes.empty())
    throw Error("exports::weights", "the patches change no weights",
                "give a patch of an edit, as `emend edit -o FILE` writes it");
  return changes;
}

}  // namespace emend
