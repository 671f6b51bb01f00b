#pragma once

#include <string>
#include <vector>

#include "evaluation/report/merge.h"

namespace emend {

// A report in plain words: what stands above its tables, and beside its columns.
struct Fact {
  std::string name, text;
};

std::string suite_title(const std::string& suite);  // e-vqa -> "E-VQA"
// "Scenes, single edits, protocol mmedit-2024".
std::string block_title(const Block& block);
// What was measured: records (filtered, missing, failed), mode, model, seeds, machine.
std::vector<Fact> facts_of(const Block& block);
// Every choice of a protocol, ties included; what this program has no words for is told as it is.
std::vector<Fact> protocol_facts(const nlohmann::json& protocol);

// As the paper writes it (Reliability, T-Generality, ...), and one sentence that says what it is.
const char* metric_title(Group group);
std::string metric_sentence(Group group, const nlohmann::json& protocol);

// The columns of the paper, and Portability where it was asked for.
std::vector<Group> table_groups(const Block& block);
// What stands after ±.
std::string error_sentence(const Block& block);

}  // namespace emend
