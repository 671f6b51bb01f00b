#pragma once

#include <string>
#include <vector>

namespace emend {

struct ReportOptions {
  // Records whose texts and pictures go into report.html, over all its parts; half of them the
  // first ones, half those where most went wrong.
  size_t records = 200;
  // Folders whose pictures may be shown, beside those in the runs' own folders. A run may be
  // somebody else's, so that a picture that it names elsewhere is left out.
  std::vector<std::string> picture_roots = {};
};

// Reads results.json and samples.jsonl of every folder (docs/results.md), merges runs that measured
// the same thing, and writes table.md, table.csv, table_wide.csv, table.tex and report.html into
// `output`, which is made when it is not there. Returns the warnings that the page carries too.
// Throws emend::Error that names file, line and field when input is malformed, contradicts itself,
// or a file cannot be written; nothing is written before everything was read.
std::vector<std::string> write_report(const std::vector<std::string>& folders,
                                      const std::string& output, const ReportOptions& options = {});

}  // namespace emend
