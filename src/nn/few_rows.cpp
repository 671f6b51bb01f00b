#include "nn/few_rows.h"

#include <ATen/Parallel.h>

#include <algorithm>

#if defined(__x86_64__)
// GCC 12 warns of its own header's values that are undefined on purpose.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

namespace emend {
namespace {

#if defined(__x86_64__)

constexpr int64_t kLanes = 16;

bool has_kernel() {
  static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512vl");
  return has;
}

// `count` bfloat16, which are the upper halves of float32, as such.
__attribute__((target("avx512f,avx512bw,avx512vl"))) inline __m512 widen(const uint16_t* from,
                                                                         int64_t count) {
  const auto mask = static_cast<__mmask16>((1u << count) - 1);
  const auto stored = count == kLanes ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))
                                      : _mm256_maskz_loadu_epi16(mask, from);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(stored), 16));
}

// Lines [first, last) of the weight (out, in) bfloat16 against x (Rows, in) float32; y: (Rows, out)
// float32, all contiguous. Four lines at a time: as many streams from memory, and sums that do not
// wait for each other.
template <int Rows>
__attribute__((target("avx512f,avx512bw,avx512vl"))) void multiply(const float* x,
                                                                   const uint16_t* weight, float* y,
                                                                   int64_t in, int64_t out,
                                                                   int64_t first, int64_t last) {
  constexpr int kLines = Rows <= 2 ? 8 : 4;
  for (int64_t o = first; o < last; o += kLines) {
    // A line beyond the last is the last one once more.
    const uint16_t* lines[kLines];
    for (int l = 0; l < kLines; ++l) lines[l] = weight + std::min(o + l, last - 1) * in;
    __m512 sums[kLines][Rows];
    for (auto& line : sums)
      for (auto& sum : line) sum = _mm512_setzero_ps();
    for (int64_t i = 0; i < in; i += kLanes) {
      const int64_t count = std::min(kLanes, in - i);
      const auto mask = static_cast<__mmask16>((1u << count) - 1);
      __m512 other[Rows];
      for (int r = 0; r < Rows; ++r) other[r] = _mm512_maskz_loadu_ps(mask, x + r * in + i);
      for (int l = 0; l < kLines; ++l) {
        const auto wide = widen(lines[l] + i, count);
        for (int r = 0; r < Rows; ++r) sums[l][r] = _mm512_fmadd_ps(wide, other[r], sums[l][r]);
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

#else

bool has_kernel() { return false; }
void multiply_rows(int64_t, const float*, const uint16_t*, float*, int64_t, int64_t, int64_t,
                   int64_t) {}

#endif

}  // namespace

bool are_few_rows(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const auto differentiated = [](const at::Tensor& t) { return t.defined() && t.requires_grad(); };
  return has_kernel() && x.is_cpu() && x.scalar_type() == at::kBFloat16 &&
         weight.scalar_type() == at::kBFloat16 && weight.dim() == 2 && weight.is_contiguous() &&
         x.dim() > 0 && x.numel() > 0 && x.size(-1) == weight.size(1) &&
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
  const auto* with = reinterpret_cast<const uint16_t*>(weight.data_ptr<at::BFloat16>());
  auto* to = y.data_ptr<float>();
  // Below this many elements of the weight, another thread costs more than it reads.
  constexpr int64_t kGrain = 1 << 16;
  at::parallel_for(0, out, std::max<int64_t>(1, kGrain / in), [&](int64_t first, int64_t last) {
    multiply_rows(rows, from, with, to, in, out, first, last);
  });
  if (bias.defined()) y += bias.to(at::kFloat);
  return y.to(x.scalar_type()).view(shape);
}

}  // namespace emend
