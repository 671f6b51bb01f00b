#include "nn/few_rows.h"

#include <gtest/gtest.h>

#include "nn/linear.h"

namespace emend {
namespace {

// The exact result rounded to bfloat16; differences are at most one rounding.
bool can() {
  const auto one = at::ones({1, 1}, at::kBFloat16);
  return are_few_rows(one, one, {});
}
#define EMEND_SKIP_WITHOUT_KERNEL() \
  if (!can()) GTEST_SKIP() << "this processor has no AVX-512"

TEST(FewRows, MatchLinear) {
  EMEND_SKIP_WITHOUT_KERNEL();
  at::manual_seed(1);
  for (int64_t rows : {1, 2, 3, 4})
    for (int64_t in : {1, 31, 32, 100, 256, 2560})
      for (int64_t out : {1, 7, 300}) {
        const auto x = at::randn({rows, 1, in}).to(at::kBFloat16);
        const auto weight = at::randn({out, in}).to(at::kBFloat16);
        for (const auto& bias : {at::Tensor(), at::randn({out}).to(at::kBFloat16)}) {
          ASSERT_TRUE(are_few_rows(x, weight, bias));
          const auto ours = few_rows_linear(x, weight, bias);
          ASSERT_EQ(ours.sizes(), (std::vector<int64_t>{rows, 1, out}));
          ASSERT_EQ(ours.scalar_type(), at::kBFloat16);
          const auto wide = [](const at::Tensor& t) { return t.defined() ? t.to(at::kDouble) : t; };
          const auto exact = at::linear(wide(x), wide(weight), wide(bias));
          const auto bound = exact.abs() / 256 + 1e-4 * std::sqrt(static_cast<double>(in));
          ASSERT_TRUE(((wide(ours) - exact).abs() <= bound).all().item<bool>())
              << rows << " rows, " << in << " in, " << out << " out";
        }
      }
}

// The kernel for float32 with a 16-bit weight; only the order of its sums differs.
TEST(FewRows, MatchLinearWith16BitWeights) {
  at::manual_seed(4);
  for (auto dtype : {at::kBFloat16, at::kHalf})
    for (int64_t rows : {1, 2, 3, 4})
      for (int64_t in : {1, 31, 32, 33, 100, 2560})
        for (int64_t out : {1, 7, 300}) {
          const auto x = at::randn({rows, 1, in}), weight = at::randn({out, in}).to(dtype);
          for (const auto& bias : {at::Tensor(), at::randn({out})}) {
            if (!are_few_rows(x, weight, bias)) GTEST_SKIP() << "this processor has no AVX2";
            const auto ours = few_rows_linear(x, weight, bias);
            ASSERT_EQ(ours.sizes(), (std::vector<int64_t>{rows, 1, out}));
            ASSERT_EQ(ours.scalar_type(), at::kFloat);
            const auto wide = [](const at::Tensor& t) {
              return t.defined() ? t.to(at::kDouble) : t;
            };
            const auto exact = at::linear(wide(x), wide(weight), wide(bias));
            ASSERT_LT((wide(ours) - exact).abs().max().item<double>(),
                      1e-5 * std::sqrt(static_cast<double>(in)) + 1e-6)
                << rows << " rows, " << in << " in, " << out << " out";
          }
        }
  EXPECT_FALSE(are_few_rows(at::randn({5, 16}), at::randn({8, 16}).to(at::kHalf), {}));
  EXPECT_FALSE(
      are_few_rows(at::randn({4, 16}).requires_grad_(true), at::randn({8, 16}).to(at::kHalf), {}));
}

TEST(FewRows, AcceptOnlyFewRowsWithoutGradients) {
  EMEND_SKIP_WITHOUT_KERNEL();
  const auto weight = at::randn({8, 16}).to(at::kBFloat16);
  const auto x = at::randn({4, 16}).to(at::kBFloat16);
  EXPECT_TRUE(are_few_rows(x, weight, {}));
  EXPECT_FALSE(are_few_rows(at::randn({5, 16}).to(at::kBFloat16), weight, {}));
  EXPECT_FALSE(are_few_rows(x.to(at::kFloat), weight.to(at::kFloat), {}));
  EXPECT_FALSE(are_few_rows(x, at::randn({16, 8}).to(at::kBFloat16).t(), {}));
  auto leaf = x.clone().requires_grad_(true);
  EXPECT_FALSE(are_few_rows(leaf, weight, {}));
  at::NoGradGuard no_grad;
  EXPECT_TRUE(are_few_rows(leaf, weight, {}));
}

TEST(FewRows, AreUsedByLinear) {
  EMEND_SKIP_WITHOUT_KERNEL();
  at::manual_seed(2);
  const auto weight = at::randn({24, 40}).to(at::kBFloat16);
  const auto x = at::randn({2, 1, 40}).to(at::kBFloat16);
  const Linear layer{weight, {}};
  EXPECT_TRUE(layer(x, {}).equal(few_rows_linear(x, weight, {})));
}

// A transposed or sliced input must be read with its strides.
TEST(FewRows, ReadInputsThatAreNotContiguous) {
  EMEND_SKIP_WITHOUT_KERNEL();
  at::manual_seed(3);
  const auto weight = at::randn({6, 10}).to(at::kBFloat16);
  const auto x = at::randn({10, 3}).to(at::kBFloat16).t();
  EXPECT_TRUE(few_rows_linear(x, weight, {}).equal(few_rows_linear(x.contiguous(), weight, {})));
}

}  // namespace
}  // namespace emend
