#pragma once

#include <ATen/ATen.h>

namespace emend::bench {

// Processor seconds (of all threads together) so far. Unlike the wall's they hardly depend on what
// else the machine does, provided that idle threads sleep: OMP_WAIT_POLICY=passive.
double processor_seconds();

// Operations a processor second of the best of some large, squarish matrix products in `dtype`,
// with the threads that are set: what this machine's matrix multiplication gives at most, now.
double gemm_peak(at::ScalarType dtype);

}  // namespace emend::bench
