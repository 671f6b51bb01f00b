#pragma once

#include <nlohmann/json_fwd.hpp>

namespace emend {

// Results of version 0.1 have other names for some keys: `while` (now `stage`), `again`
// (`reevaluated`), `numbers` (`parameters`), `asked` (`requested`). Renames them in `object` and,
// up to `depth` levels deeper, in its objects and arrays. A key that has its present name stays.
void rename_old_result_keys(nlohmann::json& object, int depth);

}  // namespace emend
