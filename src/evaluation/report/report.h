#pragma once

#include <string>
#include <vector>

namespace emend {

// What a report shows.
struct ReportOptions {
  // The number of records in report.html: half are the first records, half those with the most
  // wrong probes.
  size_t records = 200;
  // Additional folders whose pictures may be shown. Other pictures outside of a run's folder are
  // not shown, because the run may come from somebody else.
  std::vector<std::string> picture_roots = {};
};

// Reads results.json and samples.jsonl of every folder (docs/results.md), merges runs of the same
// measurement, and writes table.md, table.csv, table_wide.csv, table.tex and report.html into
// `output`, which is created if necessary. Returns the warnings, which the page also shows. Throws
// emend::Error with file, line and field when input is malformed or contradictory, or when a file
// cannot be written. Nothing is written before everything is read.
std::vector<std::string> write_report(const std::vector<std::string>& folders,
                                      const std::string& output, const ReportOptions& options = {});

// The page report.html alone. Throws emend::Error as write_report does.
std::string report_page(const std::vector<std::string>& folders, const ReportOptions& options = {});

}  // namespace emend
