#pragma once

#include <string>
#include <vector>

#include "evaluation/report/merge.h"

namespace emend {

// The layout of the paper: methods by metrics in percent, with marked published rows. One part per
// block.
std::string table_md(const Merged& merged);
// A table for \input; needs booktabs. Characters outside of ASCII become their code points.
std::string table_tex(const Merged& merged);
// RFC 4180. One row for each (run, editor, group), with values from 0 to 1 as in results.json.
std::string table_csv(const Merged& merged);
// One row per method or published row, in percent: `GROUP` and `GROUP_error` for every group.
std::string table_wide_csv(const Merged& merged);

}  // namespace emend
