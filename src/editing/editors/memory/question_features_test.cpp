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

}  // namespace
}  // namespace emend
