#include "nn/loss.h"

#include <gtest/gtest.h>

#include <cmath>

#include "io/error.h"
#include "nn/testing/finite_differences.h"

namespace emend {
namespace {

at::Tensor answer_labels(std::vector<int64_t> labels) { return at::tensor(labels); }

TEST(AnswerLoss, OfEqualLogitsIsTheLogarithmOfTheirNumber) {
  const auto logits = at::full({2, 3, 7}, 5.f);
  const auto labels = answer_labels({0, 6, kIgnored, 3, kIgnored, 2}).view({2, 3});
  EXPECT_NEAR(answer_loss(logits, labels).item<double>(), std::log(7), 1e-6);
}

// Probabilities of 1/4 and 3/4.
TEST(AnswerLoss, IsTheMeanOverTheLabels) {
  const auto logits = at::tensor({0., std::log(3.), 0., std::log(3.)}).to(at::kFloat).view({2, 2});
  const double first = -std::log(0.25), second = -std::log(0.75);
  EXPECT_NEAR(answer_loss(logits, answer_labels({0, 1})).item<double>(), (first + second) / 2,
              1e-6);
  EXPECT_NEAR(answer_loss(logits, answer_labels({0, kIgnored})).item<double>(), first, 1e-6);
}

TEST(AnswerLoss, CountsOnlyLabeledPositions) {
  at::manual_seed(3);
  const auto logits = at::randn({2, 3, 7}).requires_grad_(true);
  const auto labels = answer_labels({kIgnored, 4, 0, kIgnored, kIgnored, 6}).view({2, 3});
  const auto loss = answer_loss(logits, labels);
  const auto logp = at::log_softmax(logits.view({6, 7}), 1);
  const double expected = -(logp[1][4] + logp[2][0] + logp[5][6]).item<double>() / 3;
  EXPECT_NEAR(loss.item<double>(), expected, 1e-6);
  const auto gradient = torch::autograd::grad({loss}, {logits})[0];
  EXPECT_EQ(gradient[0][0].abs().sum().item<double>(), 0);
  EXPECT_GT(gradient[0][1].abs().sum().item<double>(), 0.1);
}

// (softmax - 1 at the label) / number of labels.
TEST(AnswerLoss, HasTheGradientOfCrossEntropy) {
  at::manual_seed(4);
  const auto logits = at::randn({3, 5}).requires_grad_(true);
  const auto labels = answer_labels({2, kIgnored, 4});
  const auto gradient = torch::autograd::grad({answer_loss(logits, labels)}, {logits})[0];
  auto expected = at::softmax(logits.detach().to(at::kDouble), 1) / 2;
  expected[1].zero_();
  expected[0][2] -= 0.5;
  expected[2][4] -= 0.5;
  EXPECT_LT((gradient - expected).abs().max().item<double>(), 1e-6);
  const auto f = [&](const at::Tensor& x) { return answer_loss(x, labels); };
  EXPECT_LT(gradient_error(f, logits), kGradientTolerance);
}

TEST(AnswerLoss, OfLargeLogitsIsFinite) {
  const auto logits = at::tensor({3e4, -3e4}).to(at::kFloat).view({1, 2});
  EXPECT_EQ(answer_loss(logits, answer_labels({0})).item<double>(), 0);
  EXPECT_EQ(answer_loss(logits, answer_labels({1})).item<double>(), 6e4);
}

TEST(AnswerLoss, OfBfloat16IsComputedInFloat32) {
  at::manual_seed(5);
  const auto logits = at::randn({3, 500}).to(at::kBFloat16);
  const auto labels = answer_labels({1, 2, 3});
  const auto loss = answer_loss(logits, labels);
  EXPECT_EQ(loss.scalar_type(), at::kFloat);
  const auto logp = at::log_softmax(logits.to(at::kDouble), 1);
  EXPECT_NEAR(loss.item<double>(), -(logp[0][1] + logp[1][2] + logp[2][3]).item<double>() / 3,
              1e-5);
}

TEST(AnswerLoss, RefusesLabelsThatAreAllIgnored) {
  EXPECT_THROW(answer_loss(at::randn({2, 5}), at::full({2}, kIgnored, at::kLong)), Error);
}

TEST(AnswerLoss, RefusesLabelsOfAnotherShape) {
  EXPECT_THROW(answer_loss(at::randn({2, 5}), at::zeros({3}, at::kLong)), Error);
  EXPECT_THROW(answer_loss(at::randn({2, 5}), at::zeros({2, 5}, at::kLong)), Error);
}

}  // namespace
}  // namespace emend
