#include <gmock/gmock.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "io/error.h"
#include "nn/activation.h"
#include "nn/attention.h"
#include "nn/layer_norm.h"
#include "nn/loss.h"

namespace emend {
namespace {

double value(Activation activation, double x) {
  return activate(at::tensor({x}), activation).item<double>();
}

// Reference values computed in double with the formulas of transformers' activations.
TEST(Activation, MatchTheirNames) {
  for (double x : {-3.0, -0.7, 0.0, 0.4, 2.5}) {
    const double erf = 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    const double tanh = 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    const auto sigmoid = [](double v) { return 1 / (1 + std::exp(-v)); };
    EXPECT_NEAR(value(activation_by_name("gelu", ""), x), erf, 1e-6);
    EXPECT_NEAR(value(activation_by_name("gelu_new", ""), x), tanh, 1e-6);
    EXPECT_NEAR(value(activation_by_name("gelu_pytorch_tanh", ""), x), tanh, 1e-6);
    EXPECT_NEAR(value(activation_by_name("quick_gelu", ""), x), x * sigmoid(1.702 * x), 1e-6);
    EXPECT_NEAR(value(activation_by_name("relu", ""), x), std::max(x, 0.0), 1e-6);
    EXPECT_NEAR(value(activation_by_name("silu", ""), x), x * sigmoid(x), 1e-6);
  }
}

TEST(Activation, RefusesUnknownNames) {
  try {
    activation_by_name("gelu_fancy", "text_config.activation_function");
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), ::testing::HasSubstr("text_config.activation_function is `gelu_fancy`"));
  }
}

TEST(Attention, IsTheWeightedMeanOfUnmaskedValues) {
  at::manual_seed(1);
  const auto q = at::randn({2, 3, 4, 5}), k = at::randn({2, 3, 6, 5}), v = at::randn({2, 3, 6, 5});
  auto may = at::ones({2, 1, 4, 6}, at::kBool);
  may.select(3, 4).fill_(false);
  const auto out = attention(q, k, v, attention_bias(may, at::kFloat), 0.5);
  double sum = 0, mean = 0;
  for (int s = 0; s < 6; ++s) {
    if (s == 4) continue;
    const double w = std::exp(0.5 * q[1][2][3].dot(k[1][2][s]).item<double>());
    sum += w;
    mean += w * v[1][2][s][0].item<double>();
  }
  EXPECT_NEAR(out[1][2][3][0].item<double>(), mean / sum, 1e-5);
}

TEST(Attention, AFullyMaskedPositionGivesFiniteNumbers) {
  const auto q = at::randn({1, 1, 2, 4});
  const auto none = at::zeros({1, 1, 2, 2}, at::kBool);
  for (auto dtype : {at::kFloat, at::kBFloat16}) {
    const auto x = q.to(dtype);
    EXPECT_TRUE(attention(x, x, x, attention_bias(none, dtype), 1).isfinite().all().item<bool>());
  }
}

// A row of bfloat16 scores is exponentiated and summed in float32, and rounded once.
TEST(Attention, SoftmaxOfBfloat16IsComputedInFloat32) {
  at::manual_seed(2);
  const auto q = at::randn({1, 2, 300, 8}).to(at::kBFloat16);
  const auto k = at::randn({1, 2, 300, 8}).to(at::kBFloat16);
  const auto ones = at::eye(300).expand({1, 2, 300, 300}).to(at::kBFloat16);
  const auto scores = at::matmul(q * 2.0, k.transpose(-1, -2));
  const auto expected = at::softmax(scores.to(at::kFloat), -1).to(at::kBFloat16);
  const auto differ = attention(q, k, ones, {}, 2).ne(expected).to(at::kFloat).mean();
  EXPECT_LT(differ.item<double>(), 1e-3);
}

TEST(LayerNorm, OfBfloat16IsComputedInFloat32) {
  at::manual_seed(4);
  LayerNorm norm{at::randn({40}).to(at::kBFloat16), at::randn({40}).to(at::kBFloat16), 40, 1e-6};
  auto x = (at::randn({3, 5, 40}) * 7 + 50).to(at::kBFloat16).requires_grad_(true);
  const auto y = norm(x);
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  const auto wide = at::layer_norm(x.to(at::kDouble), {40}, norm.weight.to(at::kDouble),
                                   norm.bias.to(at::kDouble), norm.eps);
  const auto error = (y.to(at::kDouble) - wide).abs() / wide.abs().clamp_min(0.1);
  EXPECT_LT(error.max().item<double>(), 0.004);  // half a unit in the last place of bfloat16
  const auto gradient = torch::autograd::grad({y.to(at::kFloat).pow(2).sum()}, {x})[0];
  const auto expected = torch::autograd::grad({wide.pow(2).sum()}, {x})[0].to(at::kDouble);
  EXPECT_LT((gradient.to(at::kDouble) - expected).abs().max().item<double>(),
            0.02 * expected.abs().max().item<double>());
}

TEST(LayerNorm, WorksWithoutWeights) {
  for (auto dtype : {at::kFloat, at::kBFloat16}) {
    const auto y = LayerNorm{{}, {}, 40, 1e-6}(at::randn({3, 40}).to(dtype)).to(at::kFloat);
    EXPECT_LT(y.mean(-1).abs().max().item<double>(), 0.01);
    EXPECT_NEAR(y.pow(2).mean().item<double>(), 1, 0.01);
  }
}

TEST(Attention, SplitsAndMergesHeads) {
  const auto x = at::arange(24, at::kFloat).view({1, 3, 8});
  const auto heads = split_heads(x, 2);
  EXPECT_EQ(heads.sizes(), at::IntArrayRef({1, 2, 3, 4}));
  EXPECT_TRUE(at::equal(heads[0][1][2], x[0][2].slice(0, 4)));
  EXPECT_TRUE(at::equal(merge_heads(heads), x));
}

TEST(AnswerLoss, CountsOnlyLabeledPositions) {
  at::manual_seed(3);
  const auto logits = at::randn({2, 3, 7}).requires_grad_(true);
  const auto labels = at::tensor(std::vector<int64_t>{kIgnored, 4, 0, kIgnored, kIgnored, 6});
  const auto loss = answer_loss(logits, labels.view({2, 3}));
  const auto logp = at::log_softmax(logits.view({6, 7}), 1);
  const double expected = -(logp[1][4] + logp[2][0] + logp[5][6]).item<double>() / 3;
  EXPECT_NEAR(loss.item<double>(), expected, 1e-6);
  const auto gradient = torch::autograd::grad({loss}, {logits})[0];
  EXPECT_EQ(gradient[0][0].abs().sum().item<double>(), 0);
  EXPECT_GT(gradient[0][1].abs().sum().item<double>(), 0.1);
}

TEST(AnswerLoss, IsFloat32ForEveryDtype) {
  const auto logits = at::randn({3, 5}).to(at::kBFloat16);
  EXPECT_EQ(answer_loss(logits, at::zeros({3}, at::kLong)).scalar_type(), at::kFloat);
}

TEST(AnswerLoss, RefusesLabelsThatAreAllIgnored) {
  EXPECT_THROW(answer_loss(at::randn({2, 5}), at::full({2}, kIgnored, at::kLong)), Error);
  EXPECT_THROW(answer_loss(at::randn({2, 5}), at::zeros({3}, at::kLong)), Error);
}

}  // namespace
}  // namespace emend
