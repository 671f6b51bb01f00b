#pragma once

#include <map>
#include <string>
#include <vector>

#include "evaluation/measuring/measure.h"

namespace emend::cli {

// Rows of cells, the first column left, the others right aligned; two blanks between.
std::string table(const std::vector<std::vector<std::string>>& rows);
// 0.987 -> "98.7".
std::string percent(double share);
// As the field writes it: Reliability, T-Generality, ...
std::string group_title(Group group);

}  // namespace emend::cli
