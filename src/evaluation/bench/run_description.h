#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "evaluation/bench/runner.h"

namespace emend {

// `base`, the oracle if the options ask for it, and the editors. Throws emend::Error if two editors
// have one label, or the same settings.
std::vector<Candidate> make_candidates(const std::vector<EditorSpec>& editors,
                                       const RunOptions& options);

// The number of records of an edit.
size_t records_per_edit(const RunOptions& options);

// run.json without the fields that are known only after the model is opened.
nlohmann::json describe_run(const Suite& suite, const std::vector<Candidate>& candidates,
                            const RunOptions& options);

// The options with the points of judgment of the suite. Throws emend::Error if they contradict each
// other or do not fit the suite.
RunOptions checked_options(const Suite& suite, RunOptions options);

}  // namespace emend
