#include "nn/embedding.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

namespace emend {
namespace {

at::Tensor token_ids(std::vector<int64_t> ids) { return at::tensor(ids); }

TEST(Embedding, LooksUpRowsForIdsOfAnyShape) {
  const Embedding embedding{at::arange(12, at::kFloat).view({4, 3})};
  const auto y = embedding(token_ids({3, 0, 0, 2}).view({2, 1, 2}));
  EXPECT_EQ(y.sizes(), at::IntArrayRef({2, 1, 2, 3}));
  const auto expected = at::tensor({9., 10., 11., 0., 1., 2., 0., 1., 2., 6., 7., 8.});
  EXPECT_TRUE(at::equal(y.flatten(), expected.to(at::kFloat)));
  EXPECT_EQ(embedding(at::empty({2, 0}, at::kLong)).sizes(), at::IntArrayRef({2, 0, 3}));
}

TEST(Embedding, ConvertsOnlyTheDtype) {
  at::manual_seed(1);
  const auto table = at::randn({5, 8});
  for (auto stored : {at::kFloat, at::kBFloat16, at::kHalf})
    for (auto dtype : {at::kFloat, at::kBFloat16}) {
      const auto y = Embedding{table.to(stored), dtype}(token_ids({4, 1}));
      EXPECT_EQ(y.scalar_type(), dtype);
      EXPECT_TRUE(at::equal(y[0], table[4].to(stored).to(dtype)));
      EXPECT_TRUE(at::equal(y[1], table[1].to(stored).to(dtype)));
    }
}

// The gradient of a row is the sum over its uses.
TEST(Embedding, GradientsCountTheUsesOfARow) {
  const auto table = at::randn({4, 2}).requires_grad_(true);
  const auto sum = Embedding{table}(token_ids({2, 0, 2, 2})).sum();
  const auto gradient = torch::autograd::grad({sum}, {table})[0];
  EXPECT_TRUE(at::equal(gradient.select(1, 0), at::tensor({1., 0., 3., 0.}).to(at::kFloat)));
}

}  // namespace
}  // namespace emend
