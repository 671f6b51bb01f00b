#pragma once

#include <cstdint>

#include "io/cpu.h"

// Helpers for AVX-512 kernels. Only .cpp files of this folder include this header.
#if defined(__x86_64__)
#include <immintrin.h>

#define EMEND_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl")))

namespace emend {

constexpr int64_t kLanes = 16;

// A bfloat16 is the upper half of a float32.
EMEND_AVX512 inline __m512 widen(__m256i stored) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(stored), 16));
}

// Rounds to the nearest bfloat16, ties to even; NaN stays NaN.
EMEND_AVX512 inline __m256i narrow(__m512 wide) {
  const auto bits = _mm512_castps_si512(wide);
  const auto odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const auto rounded =
      _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32((1 << 15) - 1)));
  const auto none = _mm512_cmp_ps_mask(wide, wide, _CMP_UNORD_Q);
  const auto all = _mm512_mask_mov_epi32(rounded, none, _mm512_set1_epi32(0x7fc00000));
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(all, 16));
}

}  // namespace emend
#endif
