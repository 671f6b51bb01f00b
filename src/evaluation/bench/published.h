#pragma once

#include <map>
#include <string>
#include <vector>

#include "suites/record.h"

namespace emend {

// Figures of the field, as printed there: percent. A metric that was not published is absent.
struct PublishedRow {
  std::string model, editor;
  std::map<Group, double> percent;
  std::string source;  // arXiv number and table
};

struct PublishedTable {
  std::string title;  // what it measured, on which model
  std::string note;   // in what it differs from a measurement of ours
  std::vector<PublishedRow> rows;
};

// What may stand beside a result of `suite` in `mode` (single, sequential, batch); for `scenes`,
// which only emend measures, E-VQA on BLIP-2 for orientation. Nothing where nothing fits.
std::vector<PublishedTable> published_tables(const std::string& suite, const std::string& mode);

}  // namespace emend
