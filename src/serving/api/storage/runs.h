#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace emend {

// The runs of `emend bench` in a folder, by name: [{"name", "suite", "protocol", "editors",
// "records", "edits", "interrupted", "written"}], or a "problem" for a run that cannot be read.
nlohmann::json list_runs(const std::string& folder);
// The folder of a run. Throws ApiError with status 404 if there is no such run.
std::string run_folder(const std::string& folder, const std::string& name);

}  // namespace emend
