#include "nn/sigmoid_gate.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "nn/avx512.h"

namespace emend {
namespace {

#if defined(__x86_64__)

// e^x with a relative error of about 1e-7, 0 and infinity beyond the range of float32: 2^n e^r with
// |r| <= ln(2) / 2, using the Taylor series of e^r.
EMEND_AVX512 inline __m512 exp(__m512 x) {
  const auto bounded = _mm512_max_ps(_mm512_min_ps(x, _mm512_set1_ps(100)), _mm512_set1_ps(-120));
  const auto n = _mm512_roundscale_ps(_mm512_mul_ps(bounded, _mm512_set1_ps(1.44269504f)),
                                      _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  // ln 2 in two parts, so that n times the first part is exact.
  auto r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), bounded);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
  auto sum = _mm512_set1_ps(1.f / 720);
  for (float term : {1.f / 120, 1.f / 24, 1.f / 6, 0.5f, 1.f, 1.f})
    sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(term));
  return _mm512_scalef_ps(sum, n);
}

EMEND_AVX512 void gate(const uint16_t* from, uint16_t* to, int64_t first, int64_t last,
                       float linear, float cubic) {
  const auto one = _mm512_set1_ps(1), minus_a = _mm512_set1_ps(-linear),
             minus_b = _mm512_set1_ps(-cubic);
  for (int64_t i = first; i < last; i += kLanes) {
    const auto mask = static_cast<__mmask16>((1u << std::min(kLanes, last - i)) - 1);
    const auto x = widen(_mm256_maskz_loadu_epi16(mask, from + i));
    // Clamped, because infinity times a cubic of 0 would be NaN.
    const auto square = _mm512_min_ps(_mm512_mul_ps(x, x), _mm512_set1_ps(1e30f));
    const auto slope = _mm512_fmadd_ps(square, minus_b, minus_a);
    const auto below = _mm512_add_ps(one, exp(_mm512_mul_ps(x, slope)));
    _mm256_mask_storeu_epi16(to + i, mask, narrow(_mm512_div_ps(x, below)));
  }
}

#else

void gate(const uint16_t*, uint16_t*, int64_t, int64_t, float, float) {}

#endif

}  // namespace

bool has_sigmoid_gate(const at::Tensor& x) {
  return cpu_features().avx512 && x.is_cpu() && x.scalar_type() == at::kBFloat16 &&
         !(at::GradMode::is_enabled() && x.requires_grad());
}

at::Tensor sigmoid_gate(const at::Tensor& x, double linear, double cubic) {
  const auto in = x.contiguous();
  auto out = at::empty_like(in);
  const auto* from = reinterpret_cast<const uint16_t*>(in.data_ptr<at::BFloat16>());
  auto* to = reinterpret_cast<uint16_t*>(out.data_ptr<at::BFloat16>());
  constexpr int64_t kGrain = 1 << 14;  // with fewer elements, another thread does not pay off
  at::parallel_for(0, in.numel(), kGrain, [&](int64_t first, int64_t last) {
    gate(from, to, first, last, static_cast<float>(linear), static_cast<float>(cubic));
  });
  return out;
}

}  // namespace emend
