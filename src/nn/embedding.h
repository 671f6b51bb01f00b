#pragma once

#include <ATen/ATen.h>

namespace emend {

// A table of vectors. Pad ids are looked up like any other (their gradient is the mask's business).
struct Embedding {
  at::Tensor weight;                  // (count, C)
  at::ScalarType dtype = at::kFloat;  // of the vectors that are looked up

  // ids: (...) int64 -> (..., C), in `dtype`, whatever the table is stored in.
  at::Tensor operator()(const at::Tensor& ids) const {
    return at::embedding(weight, ids).to(dtype);
  }
};

}  // namespace emend
