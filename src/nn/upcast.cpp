#include "nn/upcast.h"

#include <ATen/Parallel.h>

#include "nn/avx2.h"

namespace emend {
namespace {

#if defined(__x86_64__)

template <class Stored>
EMEND_AVX2 void upcast(const Stored* from, float* to, int64_t count) {
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) _mm256_storeu_ps(to + i, load_floats(from + i));
  for (; i < count; ++i) to[i] = static_cast<float>(from[i]);
}

template <class Stored>
void upcast_in_parallel(const at::Tensor& from, at::Tensor& to) {
  constexpr int64_t kGrain = 1 << 17;  // with fewer numbers, another thread does not pay off
  const auto* source = from.data_ptr<Stored>();
  auto* target = to.data_ptr<float>();
  at::parallel_for(0, from.numel(), kGrain, [&](int64_t first, int64_t last) {
    upcast(source + first, target + first, last - first);
  });
}

#endif

}  // namespace

void upcast(const at::Tensor& from, at::Tensor& to) {
#if defined(__x86_64__)
  if (cpu_features().avx2) {
    if (from.scalar_type() == at::kBFloat16)
      upcast_in_parallel<at::BFloat16>(from, to);
    else
      upcast_in_parallel<at::Half>(from, to);
    return;
  }
#endif
  to.copy_(from);
}

}  // namespace emend
