#pragma once

#include <string>

namespace emend {

// Instruction sets that kernels may use.
struct CpuFeatures {
  bool avx2 = false;    // with FMA and F16C
  bool avx512 = false;  // F, BW, DQ and VL
};

// What the processor has, within the limits that the environment sets for LibTorch's and oneDNN's
// kernels (ATEN_CPU_CAPABILITY, ONEDNN_MAX_CPU_ISA), so that a newer processor can stand for an
// older one. Read once.
const CpuFeatures& cpu_features();

// `features` within those limits; a variable that is not set is an empty string.
CpuFeatures limit_cpu_features(CpuFeatures features, std::string aten_cpu_capability,
                               std::string onednn_max_cpu_isa);

// Whether LibTorch multiplies bfloat16 matrices at least as fast as float32 ones. oneDNN has such
// kernels for AVX-512; without them LibTorch 1.13 runs a loop that is 26 times slower.
bool bf16_is_fast();

}  // namespace emend
