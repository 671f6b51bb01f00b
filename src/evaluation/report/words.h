#pragma once

#include <string>
#include <vector>

#include "evaluation/measuring/preferences.h"
#include "evaluation/report/merge.h"

namespace emend {

// The texts of a report: facts above its tables, and descriptions of its columns.
struct Fact {
  std::string name, text;
};

// "Scenes, single edits, protocol mmedit-2024".
std::string block_title(const Block& block);
// The facts of a measurement: records (filtered, missing, failed), mode, model, seeds, machine.
std::vector<Fact> facts_of(const Block& block);
// Every choice of a protocol, ties included. Unknown choices are listed unchanged.
std::vector<Fact> protocol_facts(const nlohmann::json& protocol);

// The name in the paper (Reliability, T-Generality, ...), and a sentence that explains it.
std::string metric_sentence(Group group, const nlohmann::json& protocol);

// The columns of the paper, and Portability if it was measured.
std::vector<Group> table_groups(const Block& block);
// The scores that compare probabilities, if the suite has alternatives.
std::vector<PreferenceInfo> table_preferences(const Block& block);
// A sentence that explains ±.
std::string error_sentence(const Block& block);

}  // namespace emend
