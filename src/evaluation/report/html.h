#pragma once

#include "evaluation/report/merge.h"
#include "evaluation/report/records.h"
#include "evaluation/report/samples.h"

namespace emend {

// report.html: one page that needs nothing but itself. `surveys`: of `runs`, in their order (blocks
// of `merged` point into `runs`). At most `records` records are shown; `pictures` counts those of
// theirs that are not.
std::string report_html(const Merged& merged, const std::vector<Run>& runs,
                        const std::vector<std::vector<SampledRecord>>& surveys, size_t records,
                        PictureBook& pictures);

// JSON that may stand inside a <script> element: nothing in it can end the element or open a
// comment.
std::string script_json(const nlohmann::json& value);

}  // namespace emend
