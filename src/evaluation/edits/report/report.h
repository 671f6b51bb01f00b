#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "editing/settings/editor_choice.h"
#include "evaluation/edits/edit_job.h"

namespace emend {

// The result of a job of edits, for its report.
struct EditReport {
  const Vlm& vlm;
  const EditJob& job;
  const EditOutcome& outcome;
  const EditorChoice& choice;  // how the user chose the editor, for suggestions
  std::string output = {};     // the patch file
  bool written = true;         // whether it was written
  double seconds = 0;          // of everything, including loading the model
  nlohmann::json facts = nlohmann::json::object();  // of the run: version, threads, device, ...
  // The unknown fields of a file of edits; none: there was no file.
  std::optional<std::vector<std::string>> ignored_fields = {};
};

// A description of the questions and pictures that a group was measured on.
std::string measured_on(Group group, const EditJob& job);
// Protocol and scores of all edits.
nlohmann::json metrics_json(const Vlm& vlm, const EditJob& job, const EditOutcome& outcome);
// What `emend edit --json` prints.
nlohmann::json report_json(const EditReport& report);

}  // namespace emend
