#pragma once

#include <map>
#include <string>
#include <vector>

#include "suites/record.h"

namespace emend {

// Figures from the literature in percent. A metric that was not published is absent.
struct PublishedRow {
  std::string model, editor;
  std::map<Group, double> percent;
  std::string source;  // arXiv number and table
  // Scores that compare probabilities, by PreferenceInfo::name.
  std::map<std::string, double> preferences = {};
};

// A table of the literature.
struct PublishedTable {
  std::string title;  // dataset and model
  std::string note;   // how the measurement differs from emend's
  std::vector<PublishedRow> rows;
};

// The published tables to show next to results of `suite` in `mode` (single, sequential, batch).
// For `scenes`, `photo-vqa` and `photo-caption`, which only emend measures: E-VQA or E-IC on BLIP-2
// for orientation. For `counterfact`: scores of language models. May be empty.
std::vector<PublishedTable> published_tables(const std::string& suite, const std::string& mode);

}  // namespace emend
