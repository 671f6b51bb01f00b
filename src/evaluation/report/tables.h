#pragma once

#include <string>
#include <vector>

#include "evaluation/report/merge.h"

namespace emend {

// The paper's layout, method by metric in percent, published rows marked as such; one part a block.
std::string table_md(const Merged& merged);
// To be \input; needs booktabs. Names are ASCII there: other characters become their code points.
std::string table_tex(const Merged& merged);
// RFC 4180. One row for each (run, editor, group), shares from 0 to 1 as results.json has them.
std::string table_csv(const Merged& merged);
// One row a method or published row, percent, `GROUP` and `GROUP_error` for every group.
std::string table_wide_csv(const Merged& merged);

}  // namespace emend
