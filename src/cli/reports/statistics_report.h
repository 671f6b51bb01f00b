#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace emend::cli {

// Whether a file was written by `emend stats`.
bool is_statistics(const std::string& path);
// Prints sites, numbers of positions, sources, and the model that the statistics belong to.
void print_statistics_file(const std::string& path, bool json);

// A table of the sites of MomentsFile::counts().
std::string statistics_table(const nlohmann::json& counts);

}  // namespace emend::cli
