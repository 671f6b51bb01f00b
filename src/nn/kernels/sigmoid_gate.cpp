#include "nn/kernels/sigmoid_gate.h"

#include "io/cpu.h"

// Highway compiles the part before HWY_ONCE for every target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "nn/kernels/sigmoid_gate.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h:
#include <hwy/highway.h>

#include "nn/kernels/float16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace emend::kernels::HWY_NAMESPACE {
namespace {

// e^x with a relative error of about 1e-7: 2^n e^r with |r| <= ln(2) / 2, using the Taylor series
// of e^r. The result is e^-87 below -87, and infinity above 88.4.
template <class D>
HWY_INLINE hn::Vec<D> exp(D d, hn::Vec<D> x) {
  const hn::RebindToUnsigned<D> du;
  const auto bounded = hn::Max(hn::Min(x, hn::Set(d, 88.7f)), hn::Set(d, -87.f));
  // At 1.5 * 2^23, the unit in the last place is 1: the sum is rounded to an integer, and the low
  // bits are n + 127, the exponent of 2^n. The exponent 255 of n = 128 is infinity.
  const auto shift = hn::Set(d, 0x1.8p23f + 127);
  const auto shifted = hn::MulAdd(bounded, hn::Set(d, 1.44269504f), shift);
  const auto power = hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(du, shifted)));
  const auto n = hn::Sub(shifted, shift);
  // ln 2 in two parts, so that n times the first part is exact.
  auto r = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), bounded);
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), r);
  auto sum = hn::Set(d, 1.f / 720);
  for (float term : {1.f / 120, 1.f / 24, 1.f / 6, 0.5f, 1.f, 1.f})
    sum = hn::MulAdd(sum, r, hn::Set(d, term));
  return hn::Mul(sum, power);
}

// One number for each lane of `d`.
template <class D>
HWY_INLINE void gate_lanes(D d, const hwy::bfloat16_t* from, hwy::bfloat16_t* to, float linear,
                           float cubic) {
  const auto x = load_floats(d, from);
  // Clamped, because infinity times a cubic of 0 would be NaN.
  const auto square = hn::Min(hn::Mul(x, x), hn::Set(d, 1e30f));
  const auto slope = hn::MulAdd(square, hn::Set(d, -cubic), hn::Set(d, -linear));
  const auto below = hn::Add(hn::Set(d, 1), exp(d, hn::Mul(x, slope)));
  store_bfloat16(d, hn::Div(x, below), to);
}

void gate(const hwy::bfloat16_t* from, hwy::bfloat16_t* to, int64_t count, float linear,
          float cubic) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> single;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) gate_lanes(d, from + i, to + i, linear, cubic);
  for (; i < count; ++i) gate_lanes(single, from + i, to + i, linear, cubic);
}

}  // namespace
}  // namespace emend::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace emend::kernels {
namespace {

HWY_EXPORT(gate);

}  // namespace

void sigmoid_gate(const hwy::bfloat16_t* from, hwy::bfloat16_t* to, int64_t count, float linear,
                  float cubic) {
  limit_simd_targets();
  HWY_DYNAMIC_DISPATCH(gate)(from, to, count, linear, cubic);
}

}  // namespace emend::kernels
#endif
