#include "cli/reports/statistics_report.h"

#include <fmt/format.h>

#include <iostream>

#include "cli/command.h"
#include "cli/output_file.h"
#include "cli/reports/table.h"
#include "editing/statistics/moments_file.h"

namespace emend::cli {

bool is_statistics(const std::string& path) { return file_format(path) == "emend-statistics"; }

std::string statistics_table(const nlohmann::json& counts) {
  std::vector<std::vector<std::string>> rows = {{"", "dimension", "text", "image", "position 0"}};
  for (const auto& site : counts)
    rows.push_back({site.at("site").get<std::string>(), site.at("dimension").dump(),
                    site.at("text").dump(), site.at("image").dump(), site.at("first").dump()});
  return table(rows);
}

void print_statistics_file(const std::string& path, bool json) {
  const auto file = MomentsFile::open(path);
  if (json)
    return print_json({{"kind", "statistics"},
                       {"path", path},
                       {"base", file.fingerprint()},
                       {"sites", file.counts()},
                       {"facts", file.facts()}});
  std::cout << statistics_table(file.counts())
            << fmt::format("\n  model     {}\n  source    {}\n", file.fingerprint(),
                           file.facts().value("source", nlohmann::json()).dump());
}

}  // namespace emend::cli
