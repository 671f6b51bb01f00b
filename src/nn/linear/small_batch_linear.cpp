#include "nn/linear/small_batch_linear.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "nn/kernels/small_batch_linear.h"
#include "nn/linear/upcast.h"

namespace emend {
namespace {

bool has_kernel(at::ScalarType x, at::ScalarType weight) {
  return x == at::kBFloat16 ? weight == at::kBFloat16 : x == at::kFloat && has_16_bits(weight);
}

}  // namespace

bool has_small_batch_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const auto differentiated = [](const at::Tensor& t) { return t.defined() && t.requires_grad(); };
  return x.is_cpu() && has_kernel(x.scalar_type(), weight.scalar_type()) && weight.dim() == 2 &&
         weight.is_contiguous() && x.dim() > 0 && x.numel() > 0 && x.size(-1) == weight.size(1) &&
         x.numel() <= kernels::kSmallBatchRows * weight.size(1) &&
         !(at::GradMode::is_enabled() &&
           (differentiated(x) || differentiated(weight) || differentiated(bias)));
}

at::Tensor small_batch_linear(const at::Tensor& x, const at::Tensor& weight,
                              const at::Tensor& bias) {
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
      kernels::small_batch_linear(from, rows, with, in, out, first, last, to);
    });
  };
  if (weight.scalar_type() == at::kBFloat16)
    run(reinterpret_cast<const hwy::bfloat16_t*>(weight.data_ptr<at::BFloat16>()));
  else
    run(reinterpret_cast<const hwy::float16_t*>(weight.data_ptr<at::Half>()));
  if (bias.defined()) y += bias.to(at::kFloat);
  return y.to(x.scalar_type()).view(shape);
}

}  // namespace emend
