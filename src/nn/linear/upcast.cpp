#include "nn/linear/upcast.h"

#include <ATen/Parallel.h>

#include "nn/kernels/upcast.h"

namespace emend {

void upcast(const at::Tensor& from, at::Tensor& to) {
  const auto run = [&](const auto* source) {
    constexpr int64_t kGrain = 1 << 17;  // with fewer numbers, another thread does not pay off
    auto* target = to.data_ptr<float>();
    at::parallel_for(0, from.numel(), kGrain, [&](int64_t first, int64_t last) {
      kernels::upcast(source + first, target + first, last - first);
    });
  };
  if (from.scalar_type() == at::kBFloat16)
    run(reinterpret_cast<const hwy::bfloat16_t*>(from.data_ptr<at::BFloat16>()));
  else
    run(reinterpret_cast<const hwy::float16_t*>(from.data_ptr<at::Half>()));
}

}  // namespace emend
