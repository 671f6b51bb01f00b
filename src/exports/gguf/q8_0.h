#pragma once

#include <ATen/ATen.h>

namespace emend {

// ggml's 8-bit quantization Q8_0: each block of 32 values of a row is a float16 scale d and 32
// int8 values q, with x = d q, d = max |x| / 127 and q = round(x / d), halves away from zero.
constexpr int64_t kQ8Block = 32, kQ8BlockBytes = 34;

// values: (..., C) float32 with C a multiple of 32. Returns (..., C / 32 * 34) uint8.
at::Tensor quantize_q8_0(const at::Tensor& values);
// The reverse: (..., C / 32 * 34) uint8 to (..., C) float32.
at::Tensor dequantize_q8_0(const at::Tensor& blocks);

}  // namespace emend
