#include "nn/linear/linear.h"

#include <gmock/gmock.h>
#include <torch/csrc/autograd/autograd.h>

#include "io/error.h"
#include "nn/testing/finite_differences.h"

namespace emend {
namespace {

class LinearTest : public ::testing::Test {
 protected:
  LinearTest() {
    at::manual_seed(7);
    layer.weight = at::randn({4, 6});
    layer.bias = at::randn({4});
    layer.site = 2;
    x = at::randn({3, 5, 6});
    attachments.by_site.resize(3);
  }
  void attach(Attachment attachment) { attachments.by_site[2].push_back(std::move(attachment)); }
  at::Tensor plain() const { return layer(x, {}); }
  at::Tensor run() const { return layer(x, attachments); }

  Linear layer;
  at::Tensor x;
  Attachments attachments;
};

at::Tensor rows(std::vector<int> which) {
  auto mask = at::zeros({3}, at::kBool);
  for (int row : which) mask[row] = true;
  return mask;
}

double gap(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

TEST_F(LinearTest, IsAffine) {
  EXPECT_LT(gap(plain(), at::matmul(x, layer.weight.t()) + layer.bias), 1e-5);
  layer.bias = at::Tensor();
  EXPECT_LT(gap(plain(), at::matmul(x, layer.weight.t())), 1e-5);
}

TEST_F(LinearTest, DenseDeltaEqualsAChangedWeight) {
  const auto delta = at::randn({4, 6});
  attach({Attachment::Kind::weight, {delta, {}, {}}, {}, {}});
  Linear changed = layer;
  changed.weight = layer.weight + delta;
  EXPECT_LT(gap(run(), changed(x, {})), 1e-5);
}

TEST_F(LinearTest, LowRankDeltaEqualsItsProduct) {
  const auto up = at::randn({4, 2}), down = at::randn({2, 6});
  attach({Attachment::Kind::weight, {{}, up, down}, {}, {}});
  Linear changed = layer;
  changed.weight = layer.weight + at::matmul(up, down);
  EXPECT_LT(gap(run(), changed(x, {})), 1e-5);
}

TEST_F(LinearTest, DeltasAddUp) {
  const auto first = at::randn({4, 6}), second = at::randn({4, 6});
  attach({Attachment::Kind::weight, {first, {}, {}}, {}, {}});
  attach({Attachment::Kind::weight, {second, {}, {}}, {}, {}});
  Linear changed = layer;
  changed.weight = layer.weight + first + second;
  EXPECT_LT(gap(run(), changed(x, {})), 1e-5);
}

TEST_F(LinearTest, OtherRowsKeepTheirBits) {
  const auto base = plain();
  attach({Attachment::Kind::weight, {at::randn({4, 6}), {}, {}}, {}, rows({1})});
  attach({Attachment::Kind::output, {}, [](const at::Tensor& y) { return y * 3; }, rows({1})});
  attach({Attachment::Kind::input, {}, [](const at::Tensor& y) { return y + 1; }, rows({1})});
  const auto y = run();
  EXPECT_TRUE(at::equal(y[0], base[0]));
  EXPECT_TRUE(at::equal(y[2], base[2]));
  EXPECT_GT(gap(y[1], base[1]), 0.1);
}

TEST_F(LinearTest, InputWeightAndOutputRunInThisOrder) {
  const auto delta = at::randn({4, 6});
  attach({Attachment::Kind::output, {}, [](const at::Tensor& y) { return y * 2; }, {}});
  attach({Attachment::Kind::weight, {delta, {}, {}}, {}, {}});
  attach({Attachment::Kind::input, {}, [](const at::Tensor& v) { return v - 1; }, {}});
  const auto expected = 2 * (at::matmul(x - 1, (layer.weight + delta).t()) + layer.bias);
  EXPECT_LT(gap(run(), expected), 1e-4);
}

// The base of a bfloat16 layer is bfloat16, but deltas are float32, so that small ones do not
// vanish.
TEST_F(LinearTest, DeltaOnBfloat16IsComputedInFloat32) {
  layer.weight = at::ones({4, 6}, at::kBFloat16);
  layer.bias = at::Tensor();
  x = at::zeros({3, 5, 6}, at::kBFloat16);
  x.select(2, 0).fill_(1);
  x.select(2, 1).fill_(-1);
  auto delta = at::zeros({4, 6});
  delta.select(1, 0).fill_(1e-4);  // would vanish if it were added to a bfloat16 1
  attach({Attachment::Kind::weight, {delta, {}, {}}, {}, {}});
  const auto y = run();
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  EXPECT_NEAR(y[0][0][0].item<double>(), 1e-4, 1e-6);
}

TEST_F(LinearTest, GradientsReachDeltasAndObservers) {
  auto delta = at::zeros({4, 6}).requires_grad_(true);
  at::Tensor seen_input, seen_gradient;
  attach({Attachment::Kind::input, {}, [&](const at::Tensor& v) { return seen_input = v; }, {}});
  attach({Attachment::Kind::weight, {delta, {}, {}}, {}, rows({0, 2})});
  attach({Attachment::Kind::output,
          {},
          [&](const at::Tensor& y) {
            y.register_hook([&](const at::Tensor& g) { seen_gradient = g; });
            return y;
          },
          {}});
  const auto loss = run().pow(2).sum();
  const auto gradient = torch::autograd::grad({loss}, {delta})[0];

  ASSERT_TRUE(seen_gradient.defined());
  EXPECT_TRUE(seen_input.is_same(x));
  EXPECT_LT(gap(seen_gradient, 2 * plain()), 1e-4);
  auto expected = at::zeros({4, 6});
  for (int row : {0, 2}) expected += at::matmul(seen_gradient[row].t(), x[row]);
  EXPECT_LT(gap(gradient, expected), 1e-3);
}

TEST_F(LinearTest, GradientsAgreeWithFiniteDifferences) {
  const auto with = [&](const WeightDelta& delta, const at::Tensor& in) {
    Attachments only;
    only.by_site.resize(3);
    only.by_site[2] = {{Attachment::Kind::weight, delta, {}, rows({0, 2})},
                       {Attachment::Kind::output,
                        {},
                        [](const at::Tensor& y) { return at::tanh(y); },
                        rows({1, 2})}};
    return layer(in, only);
  };
  const auto dense = at::randn({4, 6}), up = at::randn({4, 2}), down = at::randn({2, 6});
  const auto of_input = [&](const at::Tensor& t) { return with({{}, up, down}, t); };
  const auto of_dense = [&](const at::Tensor& t) { return with({t, {}, {}}, x); };
  const auto of_up = [&](const at::Tensor& t) { return with({{}, t, down}, x); };
  const auto of_down = [&](const at::Tensor& t) { return with({{}, up, t}, x); };
  EXPECT_LT(gradient_error(of_input, x), kGradientTolerance);
  EXPECT_LT(gradient_error(of_dense, dense), kGradientTolerance);
  EXPECT_LT(gradient_error(of_up, up), kGradientTolerance);
  EXPECT_LT(gradient_error(of_down, down), kGradientTolerance);
}

// Every way to multiply has the same result as the weight in float32, with one row and with many.
TEST_F(LinearTest, DeltasWorkOnWeightsOf16Bits) {
  const auto delta = at::randn({4, 6});
  attach({Attachment::Kind::weight, {delta, {}, {}}, {}, {}});
  for (auto dtype : {at::kBFloat16, at::kHalf})
    for (int64_t length : {1, 50}) {
      layer.weight = at::randn({4, 6}).to(dtype);
      x = at::randn({3, length, 6});
      const auto expected = at::matmul(x, (layer.weight.to(at::kFloat) + delta).t()) + layer.bias;
      EXPECT_LT(gap(run(), expected), 1e-5) << dtype << ", " << length;
    }
}

TEST_F(LinearTest, RefusesATransformThatChangesTheShape) {
  attach({Attachment::Kind::output, {}, [](const at::Tensor& y) { return y.slice(1, 1); }, {}});
  EXPECT_THROW(run(), Error);
}

TEST_F(LinearTest, IgnoresAttachmentsOfOtherSites) {
  attachments.by_site[1].push_back(
      {Attachment::Kind::output, {}, [](const at::Tensor& y) { return y * 0; }, {}});
  EXPECT_TRUE(at::equal(run(), plain()));
}

}  // namespace
}  // namespace emend
