#include "editing/editors/memory/question_features.h"

#include "editing/testing/tiny_vlm_test.h"

namespace emend {
namespace {

class QuestionFeaturesTest : public testing::TinyVlmTest {};

TEST_F(QuestionFeaturesTest, MeanCanExcludeTheFirstToken) {
  const auto& model = *vlm_->model;
  FeatureOptions options{model.first_stage(Module::language) + 1, false, false};
  const auto whole = vlm_->processor.row("What is this?");
  auto first = whole, two = whole;
  first.ids.resize(1);
  two.ids.resize(2);
  const auto count = static_cast<double>(whole.ids.size());
  ASSERT_GT(count, 2);
  Batch batch;
  batch.rows = {whole, first, two};
  const auto mean = question_features(*vlm_, batch, {}, options).text.select(1, 0);
  options.exclude_first = true;
  const auto excluded = question_features(*vlm_, batch, {}, options).text.select(1, 0);
  // The hidden state of the first token does not depend on those behind it.
  EXPECT_TRUE(at::allclose(excluded[0] * (count - 1), mean[0] * count - mean[1], 1e-4, 1e-4));
  EXPECT_TRUE(at::allclose(excluded[2], mean[2] * 2 - mean[1], 1e-4, 1e-4));
  EXPECT_TRUE(at::equal(excluded[1], mean[1]));  // a single token is not excluded
}

TEST_F(QuestionFeaturesTest, LastTokensHaveStatesOfTheirOwn) {
  const auto& model = *vlm_->model;
  FeatureOptions options{model.first_stage(Module::language) + 1, false, false};
  const auto whole = vlm_->processor.row("What is this?");
  auto two = whole, one = whole;
  two.ids.resize(2);
  one.ids.resize(1);
  const auto count = static_cast<int64_t>(whole.ids.size());
  ASSERT_GT(count, 3);
  Batch batch;
  batch.rows = {whole, two, one};
  const auto pooled = question_features(*vlm_, batch, {}, options).text;
  options.tokens = 100;
  auto text = question_features(*vlm_, batch, {}, options).text;
  ASSERT_EQ(text.size(1), 2 + count);
  EXPECT_TRUE(at::equal(text.slice(1, 0, 2), pooled));
  const auto tokens = text.slice(1, 2);
  EXPECT_TRUE(at::allclose(tokens[0].mean(0), pooled[0][0], 1e-4, 1e-5));
  EXPECT_TRUE(at::equal(tokens[0][count - 1], pooled[0][1]));
  // The hidden states of tokens do not depend on those behind them; shorter texts end with zeros.
  EXPECT_TRUE(at::allclose(tokens[1].slice(0, 0, 2), tokens[0].slice(0, 0, 2), 1e-4, 1e-5));
  EXPECT_EQ(tokens[1].slice(0, 2).abs().max().item<float>(), 0);

  options.exclude_first = true;
  text = question_features(*vlm_, batch, {}, options).text;
  ASSERT_EQ(text.size(1), 2 + count - 1);
  EXPECT_TRUE(at::equal(text[0].slice(0, 2), tokens[0].slice(0, 1)));
  EXPECT_TRUE(at::equal(text[2][2], tokens[2][0]));  // a single token is not excluded

  options.tokens = 2;
  text = question_features(*vlm_, batch, {}, options).text;
  ASSERT_EQ(text.size(1), 4);
  EXPECT_TRUE(at::equal(text[0].slice(0, 2), tokens[0].slice(0, count - 2)));
}

}  // namespace
}  // namespace emend
