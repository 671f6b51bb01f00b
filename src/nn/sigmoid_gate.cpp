#include "nn/sigmoid_gate.h"

#include <ATen/Parallel.h>

#include "nn/kernels/sigmoid_gate.h"

namespace emend {

bool has_sigmoid_gate(const at::Tensor& x) {
  return x.is_cpu() && x.scalar_type() == at::kBFloat16 &&
         !(at::GradMode::is_enabled() && x.requires_grad());
}

at::Tensor sigmoid_gate(const at::Tensor& x, double linear, double cubic) {
  const auto in = x.contiguous();
  auto out = at::empty_like(in);
  const auto* from = reinterpret_cast<const hwy::bfloat16_t*>(in.data_ptr<at::BFloat16>());
  auto* to = reinterpret_cast<hwy::bfloat16_t*>(out.data_ptr<at::BFloat16>());
  constexpr int64_t kGrain = 1 << 14;  // with fewer elements, another thread does not pay off
  at::parallel_for(0, in.numel(), kGrain, [&](int64_t first, int64_t last) {
    kernels::sigmoid_gate(from + first, to + first, last - first, static_cast<float>(linear),
                          static_cast<float>(cubic));
  });
  return out;
}

}  // namespace emend
