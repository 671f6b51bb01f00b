#pragma once

#include <cstdint>
#include <vector>

namespace emend {

// The numbers of edits after which earlier edits are judged again: the elements of `at`, rounded up
// to whole batches, that are smaller than `total`, and `total`.
std::vector<size_t> judge_points(std::vector<size_t> at, size_t total, size_t batch_size);

// The indices of the edits that are judged again, ascending: a random sample of `size` of the first
// `edits` edits. The same on every machine for the same seed.
std::vector<size_t> reevaluated_edits(uint64_t seed, size_t edits, size_t size);

}  // namespace emend
