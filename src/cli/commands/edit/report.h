#pragma once

#include <optional>

#include "cli/commands/edit/arguments.h"
#include "evaluation/edits/edit_job.h"

namespace emend::cli {

// The result of `emend edit`, for its report.
struct EditReport {
  const EditArguments& arguments;
  const Vlm& vlm;
  const EditJob& job;
  const EditOutcome& outcome;
  std::vector<std::string> ignored;  // unknown fields of --edits
  double seconds = 0;
  bool written = true;  // whether a patch file was written
};

// A description of the questions and pictures that a group was measured on.
std::string measured_on(Group group, const EditJob& job);
// Protocol and scores of all edits.
nlohmann::json metrics_json(const Vlm& vlm, const EditJob& job, const EditOutcome& outcome);
nlohmann::json report_json(const EditReport& report);
// Prints the report. An edit that does not hold comes first.
void print_report(const EditReport& report);

}  // namespace emend::cli
