#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace emend::cli {

// The candidate that a mistyped word is nearest to (Levenshtein distance); empty when none is near.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

// Throws emend::Error that suggests the nearest one for a command, or a long option of a command,
// that does not exist.
void check_spelling(CLI::App& program, const std::vector<std::string>& arguments);

}  // namespace emend::cli
