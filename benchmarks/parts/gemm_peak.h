#pragma once

#include <ATen/ATen.h>

namespace emend::bench {

// CPU seconds of all threads so far. They hardly depend on other load of the machine if idle
// threads sleep (OMP_WAIT_POLICY=passive).
double processor_seconds();

// Operations per CPU second of the fastest of several large matrix products in `dtype` with the
// current number of threads: the current maximum of this machine.
double gemm_peak(at::ScalarType dtype);

}  // namespace emend::bench
