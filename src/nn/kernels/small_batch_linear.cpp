// Vectors whose length is not known to the compiler cannot be elements of an array.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#include "nn/kernels/small_batch_linear.h"

#include "io/cpu.h"

// Highway compiles the part before HWY_ONCE for every target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "nn/kernels/small_batch_linear.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h:
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include "nn/kernels/float16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace emend::kernels::HWY_NAMESPACE {
namespace {

// Elements of the weight that are prefetched; the fastest of 0 to 4,096 in measurements.
constexpr int64_t kAhead = 256;

// The number of rows of the weight that are processed at a time, so that there are several
// prefetched memory streams and independent sums. The sums must fit into the registers: AVX2 and
// its predecessors have 16, AVX-512 and NEON 32.
constexpr int lines_at_a_time(int rows) {
  if (HWY_ARCH_X86 && HWY_TARGET >= HWY_AVX2) return rows == 1 ? 8 : rows == 2 ? 4 : 2;
  return rows <= 2 ? 8 : 4;
}

// The compiler must unroll the loops over lines and rows, or the sums are not in registers.
template <int kRows, class Stored>
void multiply(const float* x, const Stored* weight, int64_t in, int64_t out, int64_t first,
              int64_t last, float* y) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> single;
  constexpr int64_t kLanes = hn::MaxLanes(d);
  constexpr int kLines = lines_at_a_time(kRows);
  constexpr int64_t kStep = 32;  // a cache line of the weight
  const int64_t whole = in - in % kStep;
  for (int64_t o = first; o < last; o += kLines) {
    // Rows beyond the last one repeat the last one.
    const Stored* lines[kLines];
    for (int l = 0; l < kLines; ++l) lines[l] = weight + HWY_MIN(o + l, last - 1) * in;
    hn::Vec<decltype(d)> sums[kLines][kRows];
    for (auto& line : sums)
      for (auto& sum : line) sum = hn::Zero(d);
    for (int64_t i = 0; i < whole; i += kStep) {
      for (int l = 0; l < kLines; ++l) hwy::Prefetch(lines[l] + i + kAhead);
      for (int64_t j = i; j < i + kStep; j += kLanes) {
        hn::Vec<decltype(d)> inputs[kRows];
        for (int r = 0; r < kRows; ++r) inputs[r] = hn::LoadU(d, x + r * in + j);
        for (int l = 0; l < kLines; ++l) {
          const auto wide = load_floats(d, lines[l] + j);
          for (int r = 0; r < kRows; ++r) sums[l][r] = hn::MulAdd(wide, inputs[r], sums[l][r]);
        }
      }
    }
    for (int l = 0; l < kLines && o + l < last; ++l)
      for (int r = 0; r < kRows; ++r) {
        auto sum = hn::Set(single, hn::GetLane(hn::SumOfLanes(d, sums[l][r])));
        for (int64_t i = whole; i < in; ++i)
          sum =
              hn::MulAdd(load_floats(single, lines[l] + i), hn::LoadU(single, x + r * in + i), sum);
        y[r * out + o + l] = hn::GetLane(sum);
      }
  }
}

template <class Stored>
void multiply_rows(const float* x, int64_t rows, const Stored* weight, int64_t in, int64_t out,
                   int64_t first, int64_t last, float* y) {
  static_assert(kSmallBatchRows == 4);
  if (rows == 1) multiply<1>(x, weight, in, out, first, last, y);
  if (rows == 2) multiply<2>(x, weight, in, out, first, last, y);
  if (rows == 3) multiply<3>(x, weight, in, out, first, last, y);
  if (rows == 4) multiply<4>(x, weight, in, out, first, last, y);
}

void multiply_bfloat16(const float* x, int64_t rows, const hwy::bfloat16_t* weight, int64_t in,
                       int64_t out, int64_t first, int64_t last, float* y) {
  multiply_rows(x, rows, weight, in, out, first, last, y);
}

void multiply_half(const float* x, int64_t rows, const hwy::float16_t* weight, int64_t in,
                   int64_t out, int64_t first, int64_t last, float* y) {
  multiply_rows(x, rows, weight, in, out, first, last, y);
}

}  // namespace
}  // namespace emend::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace emend::kernels {
namespace {

HWY_EXPORT(multiply_bfloat16);
HWY_EXPORT(multiply_half);

}  // namespace

void small_batch_linear(const float* x, int64_t rows, const hwy::bfloat16_t* weight, int64_t in,
                        int64_t out, int64_t first, int64_t last, float* y) {
  limit_simd_targets();
  HWY_DYNAMIC_DISPATCH(multiply_bfloat16)(x, rows, weight, in, out, first, last, y);
}

void small_batch_linear(const float* x, int64_t rows, const hwy::float16_t* weight, int64_t in,
                        int64_t out, int64_t first, int64_t last, float* y) {
  limit_simd_targets();
  HWY_DYNAMIC_DISPATCH(multiply_half)(x, rows, weight, in, out, first, last, y);
}

}  // namespace emend::kernels
#endif
