#include "nn/kernels/upcast.h"

#include "io/cpu.h"

// Highway compiles the part before HWY_ONCE for every target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "nn/kernels/upcast.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h:
#include <hwy/highway.h>

#include "nn/kernels/float16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace emend::kernels::HWY_NAMESPACE {
namespace {

template <class Stored>
void convert(const Stored* from, float* to, int64_t count) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> single;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(load_floats(d, from + i), d, to + i);
  for (; i < count; ++i) hn::StoreU(load_floats(single, from + i), single, to + i);
}

void convert_bfloat16(const hwy::bfloat16_t* from, float* to, int64_t count) {
  convert(from, to, count);
}

void convert_half(const hwy::float16_t* from, float* to, int64_t count) {
  convert(from, to, count);
}

}  // namespace
}  // namespace emend::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace emend::kernels {
namespace {

HWY_EXPORT(convert_bfloat16);
HWY_EXPORT(convert_half);

}  // namespace

void upcast(const hwy::bfloat16_t* from, float* to, int64_t count) {
  limit_simd_targets();
  HWY_DYNAMIC_DISPATCH(convert_bfloat16)(from, to, count);
}

void upcast(const hwy::float16_t* from, float* to, int64_t count) {
  limit_simd_targets();
  HWY_DYNAMIC_DISPATCH(convert_half)(from, to, count);
}

}  // namespace emend::kernels
#endif
