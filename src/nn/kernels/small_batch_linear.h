#pragma once

#include <hwy/base.h>

#include <cstdint>

namespace emend::kernels {

constexpr int64_t kSmallBatchRows = 4;

// Multiplies rows first, ..., last - 1 of the weight (out, in) by x (rows, in) into y (rows, out),
// for at most kSmallBatchRows rows. All arrays are contiguous. Each element of the weight is read
// once. The result of a row of x does not depend on the other rows.
void small_batch_linear(const float* x, int64_t rows, const hwy::bfloat16_t* weight, int64_t in,
                        int64_t out, int64_t first, int64_t last, float* y);
void small_batch_linear(const float* x, int64_t rows, const hwy::float16_t* weight, int64_t in,
                        int64_t out, int64_t first, int64_t last, float* y);

}  // namespace emend::kernels
