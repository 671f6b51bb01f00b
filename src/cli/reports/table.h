#pragma once

#include <map>
#include <string>
#include <vector>

#include "evaluation/measuring/averages.h"

namespace emend::cli {

// Formats rows of cells: the first column is left-aligned, the others are right-aligned.
std::string table(const std::vector<std::vector<std::string>>& rows);
// 0.987 -> "98.7".
std::string percent(double share);

}  // namespace emend::cli
