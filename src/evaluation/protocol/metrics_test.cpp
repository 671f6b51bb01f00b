#include "evaluation/protocol/metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "io/error.h"

namespace emend {
namespace {

// Two rows of three positions over three tokens; the last position predicts nothing.
at::Tensor probabilities() {
  return at::tensor({0.50f, 0.25f, 0.25f, 0.25f, 0.50f, 0.25f, 0.1f, 0.1f, 0.8f,   // row 0
                     0.10f, 0.80f, 0.10f, 0.20f, 0.20f, 0.60f, 0.1f, 0.8f, 0.1f})  // row 1
      .view({2, 3, 3});
}
at::Tensor logits() { return probabilities().log(); }

at::Tensor labels(std::vector<int64_t> values) {
  return at::tensor(values, at::kLong).view({2, 3});
}
constexpr int64_t kNone = kIgnored;

TEST(MetricsTest, NllIsTheMeanOverCountedPositions) {
  // Row 0: position 0 predicts label 0 (p 0.5), position 1 predicts label 2 (p 0.25); row 1: 0.8.
  auto l = labels({kNone, 0, 2, kNone, 1, kNone});
  EXPECT_NEAR(nll(logits(), l), -(std::log(0.5) + std::log(0.25) + std::log(0.8)) / 3, 1e-6);
}

TEST(MetricsTest, TokenAccuracyAndExactMatch) {
  // Row 0: 0 is right, 2 is wrong (1 is likelier). Row 1: 1 and 2 are right.
  auto l = labels({kNone, 0, 2, kNone, 1, 2});
  EXPECT_DOUBLE_EQ(token_accuracy(logits(), l), 3.0 / 4);
  EXPECT_DOUBLE_EQ(exact_match(logits(), l), 0.5);
  // Positions that do not count may be wrong.
  l = labels({kNone, 0, kNone, kNone, 1, kNone});
  EXPECT_DOUBLE_EQ(token_accuracy(logits(), l), 1);
  EXPECT_DOUBLE_EQ(exact_match(logits(), l), 1);
}

TEST(MetricsTest, FirstLabelIsNeverJudged) {
  // Nothing predicts position 0, so a row with only this label has nothing to judge.
  EXPECT_THROW(exact_match(logits(), labels({0, kNone, kNone, 1, kNone, kNone})), Error);
}

TEST(MetricsTest, TopIdsBestFirstTiesToTheLowestId) {
  auto scores = at::tensor({1.0f, 3.0f, 3.0f, 2.0f,      //
                            -1.0f, -2.0f, -1.0f, -0.5f,  //
                            0.0f, -0.0f, 0.0f, -0.0f})
                    .view({3, 4});
  auto ids = top_ids(scores, 4, Ranking::logits_float32);
  EXPECT_TRUE(
      at::equal(ids, at::tensor({1, 2, 3, 0, 3, 0, 2, 1, 0, 1, 2, 3}, at::kLong).view({3, 4})));
  EXPECT_EQ(top_ids(scores, 9, Ranking::logits_float32).size(1), 4);
}

TEST(MetricsTest, TopIdsAgreeWithAStableSort) {
  at::manual_seed(3);
  auto scores = (at::randn({50, 97}) * 3).round() / 2;  // with many ties
  auto ids = top_ids(scores, 10, Ranking::logits_float32);
  for (int64_t row = 0; row < 50; ++row) {
    std::vector<int64_t> order(97);
    std::iota(order.begin(), order.end(), 0);
    auto value = scores[row].contiguous();
    const float* p = value.data_ptr<float>();
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return p[a] > p[b]; });
    order.resize(10);
    ASSERT_TRUE(at::equal(ids[row], at::tensor(order, at::kLong)));
  }
}

TEST(MetricsTest, TopIdsOfManyRowsEqualSingleRows) {
  at::manual_seed(4);
  auto scores = (at::randn({70, 50000}) * 4).round();  // more than one piece
  auto ids = top_ids(scores, 10, Ranking::logits_float32);
  ASSERT_EQ(ids.size(0), 70);
  for (int64_t row : {0, 41, 42, 69})
    EXPECT_TRUE(
        at::equal(ids[row], top_ids(scores[row].unsqueeze(0), 10, Ranking::logits_float32)[0]));
}

TEST(MetricsTest, RanksWithHalfPrecisionTiesAndInfinities) {
  auto scores = at::tensor({0.0f, 1e-5f, -std::numeric_limits<float>::infinity()}).view({1, 3});
  EXPECT_EQ(top_ids(scores, 1, Ranking::logits_float32).item<int64_t>(), 1);
  EXPECT_EQ(top_ids(scores, 1, Ranking::softmax_float32).item<int64_t>(), 1);
  EXPECT_EQ(top_ids(scores, 1, Ranking::softmax_float16).item<int64_t>(), 0);
  EXPECT_EQ(top_ids(scores, 3, Ranking::logits_float32)[0][2].item<int64_t>(), 2);
  // Logits are rounded before the softmax: 8.001 is 8 in float16, and 8.02 is 8 in bfloat16,
  // although their probabilities differ from each other.
  scores = at::tensor({8.0f, 8.001f, 14.0f}).view({1, 3});
  EXPECT_EQ(top_ids(scores, 2, Ranking::softmax_float32)[0][1].item<int64_t>(), 1);
  EXPECT_EQ(top_ids(scores, 2, Ranking::softmax_float16)[0][1].item<int64_t>(), 0);
  scores = at::tensor({8.0f, 8.02f, 14.0f}).view({1, 3});
  EXPECT_EQ(top_ids(scores, 2, Ranking::softmax_float16)[0][1].item<int64_t>(), 1);
  EXPECT_EQ(top_ids(scores, 2, Ranking::softmax_bfloat16)[0][1].item<int64_t>(), 0);
  // Values beyond the range of float16 become its largest number, not infinity.
  scores = at::tensor({1.0f, 70000.0f, 2.0f}).view({1, 3});
  EXPECT_EQ(top_ids(scores, 1, Ranking::softmax_float16).item<int64_t>(), 1);
}

TEST(MetricsTest, LocalityComparesRankByRank) {
  // The same top 2 tokens in another order: no rank agrees.
  auto before = at::tensor({3.0f, 2.0f, 1.0f}).view({1, 1, 3});
  auto after = at::tensor({2.0f, 3.0f, 1.0f}).view({1, 1, 3});
  auto mask = at::ones({1, 1}, at::kBool);
  EXPECT_DOUBLE_EQ(locality(before, after, mask, 2, Ranking::logits_float32), 0);
  EXPECT_DOUBLE_EQ(locality(before, after, mask, 3, Ranking::logits_float32), 1.0 / 3);
  EXPECT_DOUBLE_EQ(locality(before, before, mask, 2, Ranking::logits_float32), 1);
}

TEST(MetricsTest, LocalityIgnoresPadding) {
  auto before = logits(), after = logits().clone();
  after[1][2] = at::tensor({5.0f, 0.0f, 0.0f});  // changes the top-1 token of row 1's last position
  auto all = at::ones({2, 3}, at::kBool);
  EXPECT_NEAR(locality(before, after, all, 1, Ranking::softmax_float16), (1 + 2.0 / 3) / 2, 1e-12);
  auto padded = all.clone();
  padded[1][2] = false;
  EXPECT_DOUBLE_EQ(locality(before, after, padded, 1, Ranking::softmax_float16), 1);
  // Rows have equal weights at any length, because EasyEdit's batches contain one row.
  padded = all.clone();
  padded[0][1] = padded[0][2] = false;
  EXPECT_NEAR(locality(before, after, padded, 1, Ranking::softmax_float16), (1 + 2.0 / 3) / 2,
              1e-12);
}

TEST(MetricsTest, LocalityIsOneForEqualAndLowForRandomLogits) {
  at::manual_seed(5);
  auto before = at::randn({4, 20, 1000}), noise = at::randn({4, 20, 1000});
  auto mask = at::ones({4, 20}, at::kBool);
  for (auto ranking : {Ranking::logits_float32, Ranking::softmax_float16})
    for (int64_t k : {1, 10}) {
      EXPECT_EQ(locality(before, before.clone(), mask, k, ranking), 1.0);
      EXPECT_LT(locality(before, noise, mask, k, ranking), 0.02);
    }
}

TEST(MetricsTest, ComputesKl) {
  auto p = at::tensor({0.5f, 0.5f}).log().view({1, 1, 2});
  auto q = at::tensor({0.25f, 0.75f}).log().view({1, 1, 2});
  auto mask = at::ones({1, 1}, at::kBool);
  EXPECT_NEAR(kl_locality(p, q, mask), 0.5 * std::log(2.0) + 0.5 * std::log(2.0 / 3), 1e-6);
  EXPECT_EQ(kl_locality(p, p, mask), 0);
  // Padding is ignored.
  auto two_p = at::cat({p, p}, 1), two_q = at::cat({q, q * 9}, 1);
  EXPECT_NEAR(kl_locality(two_p, two_q, at::tensor({1, 0}).to(at::kBool).view({1, 2})),
              kl_locality(p, q, mask), 1e-7);
}

TEST(MetricsTest, HalfPrecisionLogitsAreJudgedInFloat32) {
  auto l = labels({kNone, 0, 2, kNone, 1, 2});
  EXPECT_DOUBLE_EQ(token_accuracy(logits().to(at::kBFloat16), l), 0.75);
}

TEST(MetricsTest, RefusesNanAndEmptyRows) {
  auto bad = logits().clone();
  bad[0][1][2] = std::numeric_limits<float>::quiet_NaN();
  auto l = labels({kNone, 0, 2, kNone, 1, 2});
  auto mask = at::ones({2, 3}, at::kBool);
  EXPECT_THROW(nll(bad, l), Error);
  EXPECT_THROW(exact_match(bad, l), Error);
  EXPECT_THROW(locality(logits(), bad, mask, 1, Ranking::logits_float32), Error);
  EXPECT_THROW(kl_locality(logits(), bad, mask), Error);
  EXPECT_THROW(token_accuracy(logits(), labels({kNone, 0, 2, kNone, kNone, kNone})), Error);
  EXPECT_THROW(
      locality(logits(), logits(), at::zeros({2, 3}, at::kBool), 1, Ranking::logits_float32),
      Error);
  EXPECT_THROW(nll(logits(), labels({kNone, 0, 2, kNone, 1, 2}).narrow(1, 0, 2)), Error);
}

TEST(MetricsTest, AnswersAreComparedWithoutCaseSpaceAndFinalPeriod) {
  EXPECT_EQ(normalized("  A Red\tStar.\n"), "a red star");
  EXPECT_EQ(normalized("2.5"), "2.5");
  EXPECT_EQ(normalized("."), "");
  EXPECT_EQ(normalized(""), "");
  EXPECT_TRUE(same_answer("Red.", " red"));
  EXPECT_FALSE(same_answer("red", "red star"));
  EXPECT_TRUE(begins_with_answer("Red. And a star", " red"));
  EXPECT_TRUE(begins_with_answer("red", "red"));
  EXPECT_FALSE(begins_with_answer("redder", "red"));
  EXPECT_FALSE(begins_with_answer("red\xc3\xa9", "red"));
  EXPECT_FALSE(begins_with_answer("dark red", "red"));
  EXPECT_FALSE(begins_with_answer("red", ""));
}

}  // namespace
}  // namespace emend
