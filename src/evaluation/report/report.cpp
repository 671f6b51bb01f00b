#include "evaluation/report/report.h"

#include <fmt/format.h>

#include <filesystem>

#include "evaluation/report/html.h"
#include "evaluation/report/tables.h"
#include "io/error.h"
#include "io/files/file.h"

namespace emend {
namespace fs = std::filesystem;

namespace {

// The runs of a report with everything that is read of them.
struct ReportInput {
  std::vector<Run> runs;
  std::vector<std::vector<SampledRecord>> surveys;
};

ReportInput read_report_input(const std::vector<std::string>& folders) {
  ReportInput input;
  for (const auto& folder : folders) {
    for (const auto& run : input.runs) {
      std::error_code ignored;
      if (fs::equivalent(run.folder, folder, ignored))
        throw Error("evaluation::report", fmt::format("'{}' is given twice", folder),
                    "give every run once");
    }
    input.runs.push_back(read_run(folder));
  }
  if (input.runs.empty())
    throw Error("evaluation::report", "no run is given", "give output folders of emend bench");
  for (const auto& run : input.runs) input.surveys.push_back(survey_samples(run));
  return input;
}

}  // namespace

std::string report_page(const std::vector<std::string>& folders, const ReportOptions& options) {
  const auto input = read_report_input(folders);
  const auto merged = merge_runs(input.runs);
  PictureBook pictures(options.picture_roots);
  return report_html(merged, input.runs, input.surveys, options.records, pictures);
}

std::vector<std::string> write_report(const std::vector<std::string>& folders,
                                      const std::string& output, const ReportOptions& options) {
  const auto input = read_report_input(folders);
  auto merged = merge_runs(input.runs);
  PictureBook pictures(options.picture_roots);
  const std::pair<const char*, std::string> files[] = {
      {"table.md", table_md(merged)},
      {"table.csv", table_csv(merged)},
      {"table_wide.csv", table_wide_csv(merged)},
      {"table.tex", table_tex(merged)},
      {"report.html", report_html(merged, input.runs, input.surveys, options.records, pictures)}};
  std::error_code error;
  fs::create_directories(output, error);
  if (error)
    throw Error("evaluation::report",
                fmt::format("folder '{}' cannot be created: {}", output, error.message()),
                "give another folder with -o");
  for (const auto& [name, text] : files) write_file((fs::path(output) / name).string(), text);
  auto warnings = merged.warnings;
  if (pictures.elsewhere() > 0)
    warnings.push_back(fmt::format(
        "{} pictures of the runs are outside of the runs' folders and are not shown; allow their "
        "folder with emend report --images FOLDER",
        pictures.elsewhere()));
  return warnings;
}

}  // namespace emend
