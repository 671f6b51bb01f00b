#pragma once

#include <ATen/ATen.h>

namespace emend {

// A table of vectors. Padding IDs are looked up like any other (the mask excludes them from the
// loss).
struct Embedding {
  at::Tensor weight;                  // (count, C)
  at::ScalarType dtype = at::kFloat;  // dtype of the result

  // ids: (...) int64 -> (..., C), in `dtype`, for any dtype of the table.
  at::Tensor operator()(const at::Tensor& ids) const {
    return at::embedding(weight, ids).to(dtype);
  }
};

}  // namespace emend
