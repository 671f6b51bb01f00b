#include "nn/few_rows.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "nn/avx2.h"
#include "nn/avx512.h"
#include "nn/upcast.h"

namespace emend {
namespace {

constexpr int64_t kAhead =
    256;  // elements of the weight; the fastest of 0 to 4,096 in measurements

#if defined(__x86_64__)

// Multiplies rows [first, last) of the weight (out, in) bfloat16 by x (Rows, in) float32 into y
// (Rows, out) float32, all contiguous. Several rows are processed at a time, so that there are
// several prefetched memory streams and independent sums.
template <int Rows>
EMEND_AVX512 void multiply(const float* x, const uint16_t* weight, float* y, int64_t in,
                           int64_t out, int64_t first, int64_t last) {
  constexpr int kLines = Rows <= 2 ? 8 : 4;
  constexpr int64_t kStep = 2 * kLanes;  // a cache line of the weight
  const int64_t whole = in - in % kStep;
  for (int64_t o = first; o < last; o += kLines) {
    // Rows beyond the last one repeat the last one.
    const uint16_t* lines[kLines];
    for (int l = 0; l < kLines; ++l) lines[l] = weight + std::min(o + l, last - 1) * in;
    __m512 sums[kLines][Rows];
    for (auto& line : sums)
      for (auto& sum : line) sum = _mm512_setzero_ps();
    for (int64_t i = 0; i < whole; i += kStep) {
      __m512 low[Rows], high[Rows];
      for (int r = 0; r < Rows; ++r) {
        low[r] = _mm512_loadu_ps(x + r * in + i);
        high[r] = _mm512_loadu_ps(x + r * in + i + kLanes);
      }
      for (int l = 0; l < kLines; ++l) {
        _mm_prefetch(reinterpret_cast<const char*>(lines[l] + i + kAhead), _MM_HINT_T0);
        const auto stored = _mm512_loadu_si512(lines[l] + i);
        const auto first_half = widen(_mm512_castsi512_si256(stored));
        const auto second_half = widen(_mm512_extracti64x4_epi64(stored, 1));
        for (int r = 0; r < Rows; ++r) {
          sums[l][r] = _mm512_fmadd_ps(first_half, low[r], sums[l][r]);
          sums[l][r] = _mm512_fmadd_ps(second_half, high[r], sums[l][r]);
        }
      }
    }
    for (int64_t i = whole; i < in; i += kLanes) {
      const auto mask = static_cast<__mmask16>((1u << std::min(kLanes, in - i)) - 1);
      for (int l = 0; l < kLines; ++l) {
        const auto wide = widen(_mm256_maskz_loadu_epi16(mask, lines[l] + i));
        for (int r = 0; r < Rows; ++r)
          sums[l][r] =
              _mm512_fmadd_ps(wide, _mm512_maskz_loadu_ps(mask, x + r * in + i), sums[l][r]);
      }
    }
    for (int l = 0; l < kLines && o + l < last; ++l)
      for (int r = 0; r < Rows; ++r) y[r * out + o + l] = _mm512_reduce_add_ps(sums[l][r]);
  }
}

void multiply_rows(int64_t rows, const float* x, const uint16_t* weight, float* y, int64_t in,
                   int64_t out, int64_t first, int64_t last) {
  static_assert(kFewRows == 4);
  if (rows == 1) multiply<1>(x, weight, y, in, out, first, last);
  if (rows == 2) multiply<2>(x, weight, y, in, out, first, last);
  if (rows == 3) multiply<3>(x, weight, y, in, out, first, last);
  if (rows == 4) multiply<4>(x, weight, y, in, out, first, last);
}

EMEND_AVX2 inline float sum_of(__m256 x) {
  const auto four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const auto two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

// The same with the 16 registers of AVX2, for a bfloat16 or half weight.
template <int Rows, class Stored>
EMEND_AVX2 void multiply(const float* x, const Stored* weight, float* y, int64_t in, int64_t out,
                         int64_t first, int64_t last) {
  constexpr int kLines = Rows == 1 ? 8 : Rows == 2 ? 4 : 2;
  constexpr int64_t kStep = 32;  // a cache line of the weight
  const int64_t whole = in - in % kStep;
  for (int64_t o = first; o < last; o += kLines) {
    const Stored* lines[kLines];
    for (int l = 0; l < kLines; ++l) lines[l] = weight + std::min(o + l, last - 1) * in;
    __m256 sums[kLines][Rows];
    for (auto& line : sums)
      for (auto& sum : line) sum = _mm256_setzero_ps();
    for (int64_t i = 0; i < whole; i += kStep) {
      for (int l = 0; l < kLines; ++l)
        _mm_prefetch(reinterpret_cast<const char*>(lines[l] + i + kAhead), _MM_HINT_T0);
      for (int64_t j = i; j < i + kStep; j += 8) {
        __m256 inputs[Rows];
        for (int r = 0; r < Rows; ++r) inputs[r] = _mm256_loadu_ps(x + r * in + j);
        for (int l = 0; l < kLines; ++l) {
          const auto wide = load_floats(lines[l] + j);
          for (int r = 0; r < Rows; ++r) sums[l][r] = _mm256_fmadd_ps(wide, inputs[r], sums[l][r]);
        }
      }
    }
    for (int l = 0; l < kLines && o + l < last; ++l)
      for (int r = 0; r < Rows; ++r) {
        float sum = sum_of(sums[l][r]);
        for (int64_t i = whole; i < in; ++i) sum += static_cast<float>(lines[l][i]) * x[r * in + i];
        y[r * out + o + l] = sum;
      }
  }
}

template <class Stored>
void multiply_rows(int64_t rows, const float* x, const Stored* weight, float* y, int64_t in,
                   int64_t out, int64_t first, int64_t last) {
  if (rows == 1) multiply<1>(x, weight, y, in, out, first, last);
  if (rows == 2) multiply<2>(x, weight, y, in, out, first, last);
  if (rows == 3) multiply<3>(x, weight, y, in, out, first, last);
  if (rows == 4) multiply<4>(x, weight, y, in, out, first, last);
}

#else

template <class Stored>
void multiply_rows(int64_t, const float*, const Stored*, float*, int64_t, int64_t, int64_t,
                   int64_t) {}

#endif

// Whether there is a kernel for activations and weights of these types.
bool has_kernel(at::ScalarType x, at::ScalarType weight) {
  if (x == at::kBFloat16) return weight == at::kBFloat16 && cpu_features().avx512;
  return x == at::kFloat && has_16_bits(weight) && cpu_features().avx2;
}

}  // namespace

bool are_few_rows(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const auto differentiated = [](const at::Tensor& t) { return t.defined() && t.requires_grad(); };
  return x.is_cpu() && has_kernel(x.scalar_type(), weight.scalar_type()) && weight.dim() == 2 &&
         weight.is_contiguous() && x.dim() > 0 && x.numel() > 0 && x.size(-1) == weight.size(1) &&
         x.numel() <= kFewRows * weight.size(1) &&
         !(at::GradMode::is_enabled() &&
           (differentiated(x) || differentiated(weight) || differentiated(bias)));
}

at::Tensor few_rows_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const int64_t in = weight.size(1), out = weight.size(0), rows = x.numel() / in;
  const auto wide = x.to(at::kFloat).contiguous();
  auto shape = x.sizes().vec();
  shape.back() = out;
  auto y = at::empty({rows, out}, wide.options());
  const auto* from = wide.data_ptr<float>();
  auto* to = y.data_ptr<float>();
  // With fewer elements of the weight per thread, starting another thread costs more than it saves.
  constexpr int64_t kGrain = 1 << 16;
  const auto run = [&](const auto* with) {
    at::parallel_for(0, out, std::max<int64_t>(1, kGrain / in), [&](int64_t first, int64_t last) {
      multiply_rows(rows, from, with, to, in, out, first, last);
    });
  };
  if (x.scalar_type() == at::kBFloat16)  // the AVX-512 kernel takes the raw bits
    run(reinterpret_cast<const uint16_t*>(weight.data_ptr<at::BFloat16>()));
  else if (weight.scalar_type() == at::kBFloat16)
    run(weight.data_ptr<at::BFloat16>());
  else
    run(weight.data_ptr<at::Half>());
  if (bias.defined()) y += bias.to(at::kFloat);
  return y.to(x.scalar_type()).view(shape);
}

}  // namespace emend
