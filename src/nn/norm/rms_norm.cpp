#include "nn/norm/rms_norm.h"

namespace emend {

at::Tensor RmsNorm::operator()(const at::Tensor& x) const {
  const auto wide = x.to(at::kFloat);
  const auto scale = at::rsqrt(wide.pow(2).mean(-1, /*keepdim=*/true) + eps);
  return weight * (wide * scale).to(x.scalar_type());
}

}  // namespace emend
