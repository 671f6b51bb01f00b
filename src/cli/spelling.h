#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace emend::cli {

// The candidate with the smallest Levenshtein distance to a mistyped word; empty if none is close.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

// Throws emend::Error for an unknown command or long option, and suggests the nearest known one.
void check_spelling(CLI::App& program, const std::vector<std::string>& arguments);

}  // namespace emend::cli
