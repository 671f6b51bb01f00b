#pragma once

#include <optional>

#include "cli/edit/arguments.h"
#include "evaluation/edits/edit_job.h"

namespace emend::cli {

// What `emend edit` did, for its report.
struct EditReport {
  const EditArguments& arguments;
  const Vlm& vlm;
  const EditJob& job;
  const EditOutcome& outcome;
  std::vector<std::string> ignored;  // fields of --edits that were not read
  double seconds = 0;
  bool written = true;  // whether there is a patch file
};

// What each group was measured on, in plain words.
std::string measured_on(Group group, const EditJob& job);
// Protocol and scores of all edits.
nlohmann::json metrics_json(const Vlm& vlm, const EditJob& job, const EditOutcome& outcome);
nlohmann::json report_json(const EditReport& report);
// A failure comes first.
void print_report(const EditReport& report);

}  // namespace emend::cli
