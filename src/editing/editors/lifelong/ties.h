#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace emend {

// Merges changes of one weight [TIES-Merging, arXiv 2306.01708]. Each change keeps the share
// `density` of its elements with the largest magnitudes (1: all), and the others become 0. The sign
// of an element is that of the sum of the changes, and its value is the mean of the changes that
// have this sign. changes: one or more tensors of one shape, float32. A single change is returned
// as it is.
at::Tensor ties_merge(const std::vector<at::Tensor>& changes, double density);

}  // namespace emend
