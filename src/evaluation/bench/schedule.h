#pragma once

#include <cstdint>
#include <vector>

namespace emend {

// After how many of `total` edits that pile up earlier ones are judged again: those of `at` that
// come before the end, and the end.
std::vector<size_t> judge_points(std::vector<size_t> at, size_t total);

// Which of the first `edits` edits are judged again, ascending: `size` of them, or all while there
// are fewer. The same on every machine for the same seed.
std::vector<size_t> judged_again(uint64_t seed, size_t edits, size_t size);

}  // namespace emend
