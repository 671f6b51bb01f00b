#include "evaluation/report/report.h"

#include <fmt/format.h>

#include <filesystem>
#include <iostream>

#include "cli/command.h"
#include "io/error.h"
#include "io/files/path.h"
#include "io/files/writable.h"
#include "io/log.h"

namespace emend::cli {
namespace {

struct ReportArguments {
  std::vector<std::string> folders;
  std::string output;
  ReportOptions options;
};

void report(ReportArguments arguments) {
  if (arguments.output.empty()) {
    if (arguments.folders.size() > 1)
      throw Error("cli::report", "merging several runs needs an output folder", "add -o FOLDER");
    arguments.output = arguments.folders.front();
  }
  for (const auto& folder : arguments.folders)
    if (is_file(folder))
      throw Error("cli::report", fmt::format("'{}' is a file", folder), "give the folder of a run");
  for (const auto& root : arguments.options.picture_roots)
    if (!is_folder(root))
      throw Error("cli::report", fmt::format("'{}' (--images) is not a folder", root),
                  "check the path");
  check_writable_folder(arguments.output);
  for (const auto& warning : write_report(arguments.folders, arguments.output, arguments.options))
    logger().warn("{}", warning);
  for (const char* name : {"table.md", "table.csv", "table_wide.csv", "table.tex", "report.html"})
    std::cout << (std::filesystem::path(arguments.output) / name).string() << "\n";
}

}  // namespace

void add_report(CLI::App& program) {
  auto arguments = std::make_shared<ReportArguments>();
  auto* command = program.add_subcommand(
      "report", "Write tables and a report page for runs of emend bench; several runs are merged");
  command->footer(R"(
FOLDER/report.html shows the results with the pictures, questions and answers of some records; table.md,
table.csv, table_wide.csv and table.tex contain the scores.

Examples:
  emend report runs/first
  emend report runs/seed1 runs/seed2 runs/seed3 -o runs/all          mean and standard deviation over seeds
  emend report runs/first --records 100 -o reports/first)");
  command->add_option("runs", arguments->folders, "output folders of emend bench")
      ->required()
      ->type_name("DIR");
  command->add_option("-o,--output", arguments->output,
                      "output folder; default for a single run: the folder of the run");
  command
      ->add_option(
          "--images", arguments->options.picture_roots,
          "additional folder whose pictures may be shown on the page; may be given several "
          "times")
      ->type_name("DIR")
      ->allow_extra_args(false);
  command
      ->add_option("--records", arguments->options.records,
                   "number of records on the page: half are the first records, half those with the "
                   "most wrong probes")
      ->check(whole_number(0, kMostRecords))
      ->capture_default_str();
  command->callback([arguments] { report(*arguments); });
}

}  // namespace emend::cli
