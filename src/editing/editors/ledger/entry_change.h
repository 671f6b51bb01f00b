#pragma once

#include <string>
#include <vector>

#include "editing/editor.h"
#include "editing/editors/ledger/ledger.h"

namespace emend {

// The editors that can make the change of an entry (`lora`, `mend-iterated`, ...), and `none`.
std::vector<std::string> entry_change_names();

// The low-rank change that one edit needs when it is asked with the edit in front of the question
// (settings.context), and the effect of the editor that made it. The change is relative to the base
// model with the counterfactual change of `state`; earlier edits do not count. Throws emend::Error
// if the editor fails or its change is dense.
struct EntryChange {
  std::vector<SiteDelta> deltas;
  nlohmann::json effect;
};
EntryChange entry_change(const Vlm& vlm, const EditRequest& request, const LedgerState& state,
                         const LedgerSettings& settings, const EditContext& context);

// Whether greedy generation with the patch gives the target, for each request; with
// `end_of_answer`, it must also end there.
std::vector<bool> edits_hold(const Vlm& vlm, const std::vector<EditRequest>& requests,
                             bool end_of_answer, const Interventions& interventions,
                             ActivationStore* store);

}  // namespace emend
