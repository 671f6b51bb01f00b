#pragma once

#include "evaluation/report/merge.h"
#include "evaluation/report/records.h"
#include "evaluation/report/samples.h"

namespace emend {

// report.html, one self-contained page. `surveys` has one element per run, in the order of `runs`
// (blocks of `merged` point into `runs`). The page shows at most `records` records; `pictures`
// counts pictures that it cannot show.
std::string report_html(const Merged& merged, const std::vector<Run>& runs,
                        const std::vector<std::vector<SampledRecord>>& surveys, size_t records,
                        PictureBook& pictures);

// JSON for a <script> element: escaped, so that it cannot end the element or open a comment.
std::string script_json(const nlohmann::json& value);

}  // namespace emend
