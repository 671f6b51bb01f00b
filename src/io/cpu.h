#pragma once

#include <string>

namespace emend {

// Instruction sets that kernels may use.
struct CpuFeatures {
  bool avx2 = false;    // with FMA and F16C
  bool avx512 = false;  // F, BW, DQ and VL
};

// The instruction sets of the processor, within the limits that ATEN_CPU_CAPABILITY and
// ONEDNN_MAX_CPU_ISA set for the kernels of LibTorch and oneDNN. With them, a newer processor can
// emulate an older one. The result is computed once.
const CpuFeatures& cpu_features();

// Applies these two limits to `features`. An empty string means that a variable is not set.
CpuFeatures limit_cpu_features(CpuFeatures features, std::string aten_cpu_capability,
                               std::string onednn_max_cpu_isa);

// Whether LibTorch multiplies bfloat16 matrices at least as fast as float32 ones. oneDNN has such
// kernels for AVX-512 only; without them, LibTorch 1.13 runs a loop that is 26 times slower.
bool bf16_is_fast();

}  // namespace emend
