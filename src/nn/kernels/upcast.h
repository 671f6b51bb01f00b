#pragma once

#include <hwy/base.h>

#include <cstdint>

namespace emend::kernels {

// Converts `count` numbers to float32; the conversion is exact.
void upcast(const hwy::bfloat16_t* from, float* to, int64_t count);
void upcast(const hwy::float16_t* from, float* to, int64_t count);

}  // namespace emend::kernels
