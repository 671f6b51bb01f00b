#include "nn/linear/small_batch_linear.h"

#include <hwy/tests/hwy_gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstring>

#include "nn/linear/linear.h"

namespace emend {
namespace {

// Runs once on each target that this processor supports: SCALAR, SSE4, AVX2 and so on.
class SmallBatchLinearKernel : public hwy::TestWithParamTarget {
 protected:
  SmallBatchLinearKernel() { at::manual_seed(1); }
};
HWY_TARGET_INSTANTIATE_TEST_SUITE_P(SmallBatchLinearKernel);

struct SmallBatchTypes {
  at::ScalarType x, weight;
};
constexpr SmallBatchTypes kSmallBatchTypes[] = {
    {at::kBFloat16, at::kBFloat16}, {at::kFloat, at::kBFloat16}, {at::kFloat, at::kHalf}};

// The product in float64. Sums in float32 differ by the rounding of their terms, and a bfloat16
// result by another half unit in the last of 8 places.
TEST_P(SmallBatchLinearKernel, MatchesLinear) {
  const auto wide = [](const at::Tensor& t) { return t.defined() ? t.to(at::kDouble) : t; };
  for (const auto& types : kSmallBatchTypes)
    for (int64_t rows : {1, 2, 3, 4})
      for (int64_t in : {1, 31, 32, 33, 100, 2560})
        for (int64_t out : {1, 7, 100}) {
          const auto x = at::randn({rows, 1, in}).to(types.x);
          const auto weight = at::randn({out, in}).to(types.weight);
          for (const auto& bias : {at::Tensor(), at::randn({out}).to(types.x)}) {
            ASSERT_TRUE(has_small_batch_linear(x, weight, bias));
            const auto y = small_batch_linear(x, weight, bias);
            ASSERT_EQ(y.sizes(), (std::vector<int64_t>{rows, 1, out}));
            ASSERT_EQ(y.scalar_type(), types.x);
            const auto exact = at::linear(wide(x), wide(weight), wide(bias));
            const double root = std::sqrt(static_cast<double>(in));
            const auto bound = types.x == at::kFloat ? at::full_like(exact, 1e-5 * root + 1e-6)
                                                     : exact.abs() / 256 + 1e-4 * root;
            ASSERT_TRUE(((wide(y) - exact).abs() <= bound).all().item<bool>())
                << types.x << " by " << types.weight << ": " << rows << " rows, " << in << " in, "
                << out << " out";
          }
        }
}

TEST_P(SmallBatchLinearKernel, ResultsDoNotDependOnTheOtherRows) {
  for (const auto& types : kSmallBatchTypes) {
    const auto x = at::randn({4, 107}).to(types.x), weight = at::randn({29, 107}).to(types.weight);
    const auto alone = small_batch_linear(x.narrow(0, 0, 1), weight, {});
    for (int64_t rows : {2, 3, 4}) {
      const auto y = small_batch_linear(x.narrow(0, 0, rows), weight, {});
      EXPECT_TRUE(at::equal(y.narrow(0, 0, 1), alone)) << rows << " rows";
    }
  }
}

// A transposed input must be read with its strides.
TEST_P(SmallBatchLinearKernel, ReadsInputsThatAreNotContiguous) {
  for (const auto& types : kSmallBatchTypes) {
    const auto weight = at::randn({6, 10}).to(types.weight);
    const auto x = at::randn({10, 3}).to(types.x).t();
    EXPECT_TRUE(at::equal(small_batch_linear(x, weight, {}),
                          small_batch_linear(x.contiguous(), weight, {})));
  }
}

// A weight can be at the end of a mapped file. The page behind this one cannot be read.
TEST_P(SmallBatchLinearKernel, ReadsNothingBehindTheWeight) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  auto* pages = static_cast<char*>(
      mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(pages, MAP_FAILED);
  ASSERT_EQ(mprotect(pages + page, page, PROT_NONE), 0);
  for (const auto& types : kSmallBatchTypes) {
    const auto x = at::randn({2, 37}).to(types.x), weight = at::randn({5, 37}).to(types.weight);
    char* const last = pages + page - weight.nbytes();
    std::memcpy(last, weight.data_ptr(), weight.nbytes());
    const auto mapped = at::from_blob(last, weight.sizes(), weight.options());
    EXPECT_TRUE(at::equal(small_batch_linear(x, mapped, {}), small_batch_linear(x, weight, {})));
  }
  munmap(pages, 2 * page);
}

TEST(SmallBatchLinear, AcceptsOnlyFewRowsWithoutGradients) {
  const auto x = at::randn({4, 16}).to(at::kBFloat16), weight = at::randn({8, 16}).to(x.dtype());
  EXPECT_TRUE(has_small_batch_linear(x, weight, {}));
  EXPECT_FALSE(has_small_batch_linear(at::randn({5, 16}).to(at::kBFloat16), weight, {}));
  EXPECT_FALSE(has_small_batch_linear(at::empty({0, 16}).to(at::kBFloat16), weight, {}));
  EXPECT_FALSE(has_small_batch_linear(x, at::randn({16, 8}).to(at::kBFloat16).t(), {}));
  const auto leaf = x.clone().requires_grad_(true);
  EXPECT_FALSE(has_small_batch_linear(leaf, weight, {}));
  EXPECT_FALSE(has_small_batch_linear(x, weight, at::zeros({8}).requires_grad_(true)));
  at::NoGradGuard no_grad;
  EXPECT_TRUE(has_small_batch_linear(leaf, weight, {}));
}

TEST(SmallBatchLinear, AcceptsOnly16BitWeights) {
  const auto x = at::randn({4, 16}), weight = at::randn({8, 16});
  EXPECT_TRUE(has_small_batch_linear(x, weight.to(at::kBFloat16), {}));
  EXPECT_TRUE(has_small_batch_linear(x, weight.to(at::kHalf), {}));
  EXPECT_FALSE(has_small_batch_linear(x, weight, {}));
  EXPECT_FALSE(has_small_batch_linear(x.to(at::kBFloat16), weight, {}));
  EXPECT_FALSE(has_small_batch_linear(x.to(at::kHalf), weight.to(at::kHalf), {}));
}

TEST(SmallBatchLinear, IsUsedByLinear) {
  at::manual_seed(2);
  for (const auto& types : kSmallBatchTypes) {
    const Linear layer{at::randn({24, 40}).to(types.weight), at::randn({24}).to(types.x)};
    const auto x = at::randn({2, 1, 40}).to(types.x);
    EXPECT_TRUE(at::equal(layer(x, {}), small_batch_linear(x, layer.weight, layer.bias)));
  }
}

}  // namespace
}  // namespace emend
