#include "nn/linear/upcast.h"

#include <hwy/tests/hwy_gtest.h>

namespace emend {
namespace {

// Runs once on each target that this processor supports: SCALAR, SSE4, AVX2 and so on.
class UpcastKernel : public hwy::TestWithParamTarget {};
HWY_TARGET_INSTANTIATE_TEST_SUITE_P(UpcastKernel);

at::Tensor upcast_of(const at::Tensor& stored) {
  auto wide = at::empty(stored.sizes());
  upcast(stored, wide);
  return wide;
}

// Compares bits, except those of NaN.
void expect_equal_numbers(const at::Tensor& actual, const at::Tensor& expected) {
  EXPECT_TRUE(at::equal(actual.isnan(), expected.isnan()));
  const auto bits = [](const at::Tensor& t) { return t.masked_fill(t.isnan(), 0).view(at::kInt); };
  EXPECT_TRUE(at::equal(bits(actual), bits(expected)));
}

TEST_P(UpcastKernel, IsExactForEveryNumber) {
  const auto bits = at::arange(-32768, 32768, at::kInt).to(at::kShort);
  for (auto dtype : {at::kBFloat16, at::kHalf}) {
    const auto stored = bits.view(dtype), expected = stored.to(at::kFloat);
    expect_equal_numbers(upcast_of(stored), expected);
    for (int64_t length : {0, 1, 3, 13, 17})
      expect_equal_numbers(upcast_of(stored.narrow(0, 3, length)), expected.narrow(0, 3, length));
  }
}

}  // namespace
}  // namespace emend
