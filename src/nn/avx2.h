#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "io/cpu.h"

// Helpers for AVX2 kernels (with FMA and F16C). Only .cpp files of this folder include this header.
#if defined(__x86_64__)
#include <immintrin.h>

#define EMEND_AVX2 __attribute__((target("avx2,fma,f16c")))

namespace emend {

// Loads eight numbers of a 16-bit type as float32.
EMEND_AVX2 inline __m256 load_floats(const at::BFloat16* from) {
  const auto stored = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(stored), 16));
}
EMEND_AVX2 inline __m256 load_floats(const at::Half* from) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}

}  // namespace emend
#endif
