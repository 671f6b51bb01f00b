#include "editing/editors/lifelong/ties.h"

#include <gtest/gtest.h>

namespace emend {
namespace {

at::Tensor row(std::vector<float> values) { return at::tensor(values).view({1, -1}); }

TEST(Ties, SignIsThatOfTheSumAndValueTheMeanOfThatSign) {
  const auto a = row({1, -2, 0.5, 4, 0}), b = row({-3, -1, 0.25, 2, 0}), c = row({1, 0, 0, -1, 0});
  // Sums: -1, -3, 0.75, 5, 0.
  EXPECT_TRUE(at::equal(ties_merge({a, b, c}, 1), row({-3, -1.5, 0.375, 3, 0})));
}

TEST(Ties, EachChangeKeepsItsLargestElements) {
  const auto a = row({1, -2, 0.5, 4}), b = row({-3, -1, 0.25, 2});
  EXPECT_TRUE(at::equal(ties_merge({a, b}, 0.5), row({-3, -2, 0, 3})));
}

TEST(Ties, ElementsThatCancelAreZero) {
  EXPECT_TRUE(at::equal(ties_merge({row({2}), row({-2})}, 1), row({0})));
}

TEST(Ties, OneChangeIsReturnedAsItIs) {
  const auto a = row({1, -2, 0.5, 4});
  EXPECT_TRUE(at::equal(ties_merge({a}, 0.25), a));
}

}  // namespace
}  // namespace emend
