#pragma once

#include "models/core/model.h"

namespace emend {

// A pass that has all rows of `pass`, with their pictures and states, `times` times. `prefix`: the
// KV cache of the positions before the pass, with one row that all rows have in common; null: no
// cache. Blocks that already ran are not in the cache of the result, which Model::run can continue.
Pass repeat_rows(const Model& model, const Pass& pass, int64_t times, const KvCache* prefix);

// The rows `first` to `first + count` of a text-only pass before the language module.
Pass narrow_rows(const Pass& pass, int64_t first, int64_t count);

}  // namespace emend
