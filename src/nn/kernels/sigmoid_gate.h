#pragma once

#include <hwy/base.h>

#include <cstdint>

namespace emend::kernels {

// x * sigmoid(linear * x + cubic * x^3) of `count` numbers, computed in float32 and rounded once.
void sigmoid_gate(const hwy::bfloat16_t* from, hwy::bfloat16_t* to, int64_t count, float linear,
                  float cubic);

}  // namespace emend::kernels
