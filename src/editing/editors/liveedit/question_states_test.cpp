#include "editing/editors/liveedit/question_states.h"

#include <gtest/gtest.h>

#include "editing/testing/tiny_vlm_test.h"
#include "editing/training/forced.h"

namespace emend {
namespace {

class QuestionStatesTest : public testing::TinyVlmTest {
 protected:
  // A question about a picture, one without a picture, and a padded shorter one, with answers.
  static ForcedBatch forced() {
    const Picture picture{"", testing::noise_image(1)};
    return force(*vlm_, {{picture, "What is this?", " cat"}, {{}, "Where?", " home"},
                         {picture, "What?", " x"}},
                 /*end_of_answer=*/false);
  }
  static int64_t count(const at::Tensor& mask, int64_t row) {
    return mask[row].sum().item<int64_t>();
  }
};

TEST_F(QuestionStatesTest, PartsOfARowAreItsPictureQuestionAndAnswer) {
  for (const auto pad : {PadSide::right, PadSide::left}) {
    const auto batch = forced();
    const auto pass = vlm_->model->collate(batch.batch, pad);
    const auto hidden = at::zeros({3, pass.ids.size(1), 32});
    const auto states = QuestionStates::of(pass, hidden);
    const auto images = vlm_->model->num_image_tokens();
    for (int64_t r = 0; r < 3; ++r) {
      const auto& row = batch.batch.rows[static_cast<size_t>(r)];
      const auto seen = row.images.empty() ? 0 : images;
      EXPECT_EQ(count(states.picture, r), seen) << r;
      EXPECT_EQ(count(states.answer, r),
                static_cast<int64_t>(batch.answers[static_cast<size_t>(r)].size()))
          << r;
      EXPECT_EQ(count(states.question, r), row.prompt_length - seen) << r;
      const auto all = states.picture.logical_or(states.question).logical_or(states.answer);
      EXPECT_TRUE(at::equal(all[r], pass.mask[r])) << r;
    }
  }
}

TEST_F(QuestionStatesTest, AnswersCanBeCut) {
  const auto batch = forced();
  const auto pass = vlm_->model->collate(batch.batch);
  const auto states = QuestionStates::of(pass, at::zeros({3, pass.ids.size(1), 32}),
                                         at::tensor({1, 0, 2}, at::kLong));
  EXPECT_EQ(count(states.answer, 0), 1);
  EXPECT_EQ(count(states.answer, 1), 0);
  EXPECT_EQ(count(states.answer, 2), 2);
}

TEST_F(QuestionStatesTest, TextBeforeThePictureCountsOnlyIfNoTextFollows) {
  const auto images = vlm_->model->num_image_tokens();
  const auto pixels = vlm_->processor.pixels(*testing::noise_image(1)).unsqueeze(0);
  Row before{{5, 6, 7}, {0}, {}, -1};
  before.ids.insert(before.ids.end(), static_cast<size_t>(images), kImageToken);
  Row around = before;
  around.ids.push_back(8);
  const auto pass = vlm_->model->collate({pixels, {before, around}});
  const auto states = QuestionStates::of(pass, at::zeros({2, pass.ids.size(1), 32}));
  EXPECT_EQ(count(states.question, 0), 3);
  EXPECT_TRUE(states.question[0][0].item<bool>());
  EXPECT_EQ(count(states.question, 1), 1);
  EXPECT_TRUE(states.question[1][3 + images].item<bool>());
}

}  // namespace
}  // namespace emend
