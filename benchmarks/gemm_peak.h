#pragma once

#include <ATen/ATen.h>

namespace emend::bench {

// Operations a second of the fastest of some large, squarish matrix products in `dtype`, with the
// threads that are set: what this machine's matrix multiplication gives at most, as measured now.
double gemm_peak(at::ScalarType dtype);

}  // namespace emend::bench
