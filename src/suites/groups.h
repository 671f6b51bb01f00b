#pragma once

#include <optional>
#include <string>
#include <vector>

#include "suites/record.h"

namespace emend {

// The names and properties of a group of probes, for files, tables and reports.
struct GroupInfo {
  Group group;
  const char* name;           // in files: text_generality
  const char* title;          // in tables: T-Generality
  const char* question;       // what the group measures, as a question for a reader
  const char* easyedit_name;  // the field in EasyEdit's results; empty: EasyEdit has none
  // The cell in the T x I grid: edited, similar, unrelated, none; near: edited, or similar if
  // Probe::similar is set; empty: no cell.
  const char* text;
  const char* image;
  bool locality;        // whether the answers should not change
  bool in_paper_table;  // one of the five metrics of MMEdit's tables
};

// All groups in the order of tables.
const std::vector<GroupInfo>& group_infos();
const std::vector<Group>& groups();
const GroupInfo& group_info(Group group);
// None if no group has this name.
std::optional<Group> find_group(const std::string& name);

inline const char* group_name(Group group) { return group_info(group).name; }
inline const char* group_title(Group group) { return group_info(group).title; }
// Whether the answer should not change.
inline bool is_locality(Group group) { return group_info(group).locality; }

}  // namespace emend
