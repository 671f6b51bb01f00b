#pragma once

#include <ATen/ATen.h>

namespace emend {

// A table of vectors. Pad ids are looked up like any other (their gradient is the mask's business).
struct Embedding {
  at::Tensor weight;  // (count, C)

  // ids: (...) int64 -> (..., C)
  at::Tensor operator()(const at::Tensor& ids) const { return at::embedding(weight, ids); }
};

}  // namespace emend
