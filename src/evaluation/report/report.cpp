#include "evaluation/report/report.h"

#include <fmt/format.h>

#include <filesystem>

#include "evaluation/report/html.h"
#include "evaluation/report/tables.h"
#include "io/error.h"
#include "io/files/file.h"

namespace emend {
namespace fs = std::filesystem;

std::vector<std::string> write_report(const std::vector<std::string>& folders,
                                      const std::string& output, const ReportOptions& options) {
  std::vector<Run> runs;
  for (const auto& folder : folders) {
    for (const auto& run : runs) {
      std::error_code ignored;
      if (fs::equivalent(run.folder, folder, ignored))
        throw Error("evaluation::report", fmt::format("'{}' is given twice", folder),
                    "give every run once");
    }
    runs.push_back(read_run(folder));
  }
  if (runs.empty())
    throw Error("evaluation::report", "no run is given", "give output folders of emend bench");
  std::vector<std::vector<SampledRecord>> surveys;
  for (const auto& run : runs) surveys.push_back(survey_samples(run));
  auto merged = merge_runs(runs);
  PictureBook pictures(options.picture_roots);
  const std::pair<const char*, std::string> files[] = {
      {"table.md", table_md(merged)},
      {"table.csv", table_csv(merged)},
      {"table_wide.csv", table_wide_csv(merged)},
      {"table.tex", table_tex(merged)},
      {"report.html", report_html(merged, runs, surveys, options.records, pictures)}};
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
