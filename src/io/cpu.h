#pragma once

#include <cstdint>
#include <string>

namespace emend {

// Limits the targets of Highway's dynamic dispatch to the instruction sets that ATEN_CPU_CAPABILITY
// and ONEDNN_MAX_CPU_ISA allow for the kernels of LibTorch and oneDNN. With these variables, a
// newer processor can emulate an older one. If ONEDNN_MAX_CPU_ISA excludes AVX-512, LibTorch is kept
// from calling oneDNN, which would refuse bfloat16. Every function that calls HWY_DYNAMIC_DISPATCH
// calls this one before; the variables are read once.
void limit_simd_targets();

// The Highway targets that these two values exclude, as a bit mask. An empty string means that a
// variable is not set.
int64_t excluded_simd_targets(std::string aten_cpu_capability, std::string onednn_max_cpu_isa);

// The instruction set that matters for the choice of BLAS kernels and dtypes.
enum class SimdLevel { below_avx2, avx2, avx512 };
// The level of this processor, within the limits of the environment.
SimdLevel simd_level();

// Whether LibTorch multiplies bfloat16 matrices at least as fast as float32 ones. oneDNN has such
// kernels for AVX-512 only; without them, LibTorch 1.13 runs a loop that is 26 times slower.
bool bf16_is_fast();

}  // namespace emend
