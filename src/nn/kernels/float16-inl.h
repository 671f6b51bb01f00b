// Conversions between float32 vectors and the 16-bit types. Only .cpp files of this folder include
// this header, once for each target of Highway.
#include <hwy/highway.h>

#if defined(EMEND_NN_KERNELS_FLOAT16_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef EMEND_NN_KERNELS_FLOAT16_INL_H
#undef EMEND_NN_KERNELS_FLOAT16_INL_H
#else
#define EMEND_NN_KERNELS_FLOAT16_INL_H
#endif

HWY_BEFORE_NAMESPACE();
namespace emend::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Loads bfloat16 or half numbers as float32, one per lane of `d`. The conversion is exact.
template <class D>
HWY_INLINE hn::Vec<D> load_floats(D d, const hwy::bfloat16_t* from) {
  return hn::PromoteTo(d, hn::LoadU(hn::Rebind<hwy::bfloat16_t, D>(), from));
}

template <class D>
HWY_INLINE hn::Vec<D> load_floats(D d, const hwy::float16_t* from) {
#if HWY_TARGET == HWY_NEON || (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2)
  return hn::PromoteTo(d, hn::LoadU(hn::Rebind<hwy::float16_t, D>(), from));
#else
  // Without an instruction for it, Highway 1.0 converts infinity and NaN to finite numbers.
  const hn::RebindToSigned<D> di;
  const auto bits = hn::PromoteTo(
      di, hn::LoadU(hn::Rebind<uint16_t, D>(), reinterpret_cast<const uint16_t*>(from)));
  const auto magnitude = hn::And(bits, hn::Set(di, 0x7fff));
  // The biases of the exponents differ by 112; the product is right for subnormal numbers, too.
  const auto finite = hn::Mul(hn::BitCast(d, hn::ShiftLeft<13>(magnitude)), hn::Set(d, 0x1p112f));
  const auto special = hn::VecFromMask(di, hn::Gt(magnitude, hn::Set(di, 0x7bff)));
  const auto exponent = hn::And(special, hn::Set(di, 0x7f800000));
  const auto sign = hn::ShiftLeft<16>(hn::AndNot(hn::Set(di, 0x7fff), bits));
  return hn::BitCast(d, hn::Or(hn::BitCast(di, finite), hn::Or(exponent, sign)));
#endif
}

// Stores the nearest bfloat16 numbers, with ties to even; NaN stays NaN. Highway 1.0 truncates.
template <class D>
HWY_INLINE void store_bfloat16(D, hn::Vec<D> wide, hwy::bfloat16_t* to) {
  const hn::RebindToUnsigned<D> du;
  const hn::Rebind<uint16_t, D> narrow;
  const auto bits = hn::BitCast(du, wide);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
  const auto nearest = hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7fff)));
  const auto is_number = hn::RebindMask(du, hn::Eq(wide, wide));
  const auto rounded = hn::IfThenElse(is_number, nearest, hn::Set(du, 0x7fc00000));
  hn::StoreU(hn::TruncateTo(narrow, hn::ShiftRight<16>(rounded)), narrow,
             reinterpret_cast<uint16_t*>(to));
}

}  // namespace emend::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
