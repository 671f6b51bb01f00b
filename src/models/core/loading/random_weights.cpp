#include "models/core/loading/random_weights.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>

namespace emend {
namespace {

// Billions of normal random numbers would take minutes, so one block of them is repeated. Its size
// is a prime number, so that rows differ.
constexpr int64_t kBlock = 1000003;

}  // namespace

RandomWeights::RandomWeights(at::ScalarType dtype, uint64_t seed)
    : noise_(at::randn({kBlock}, at::detail::createCPUGenerator(seed), at::kFloat).to(dtype)) {}

at::Tensor RandomWeights::operator()(const std::string& name, at::IntArrayRef shape) const {
  const bool scale =
      name.find("norm") != std::string::npos || name.find("Norm") != std::string::npos;
  if (shape.size() == 1)
    return at::full(shape, scale && name.find("weight") != std::string::npos ? 1 : 0,
                    noise_.options());
  int64_t in = 1;
  for (size_t i = 1; i < shape.size(); ++i) in *= shape[i];
  const auto block = noise_ * (1 / std::sqrt(static_cast<double>(in)));
  auto tensor = at::empty(shape, noise_.options());
  auto flat = tensor.view({-1});
  for (int64_t begin = 0; begin < flat.size(0); begin += kBlock) {
    const int64_t count = std::min(kBlock, flat.size(0) - begin);
    flat.narrow(0, begin, count).copy_(block.narrow(0, 0, count));
  }
  return tensor;
}

}  // namespace emend
