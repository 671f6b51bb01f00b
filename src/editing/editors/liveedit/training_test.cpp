#include "editing/editors/liveedit/training.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "editing/editors/liveedit/step_questions.h"
#include "editing/testing/tiny_vlm_test.h"
#include "io/error.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

class LiveEditTrainingTest : public testing::TinyVlmTest {
 protected:
  static std::vector<EditExample> examples() {
    std::vector<EditExample> all;
    for (int i = 0; i < 3; ++i) {
      const auto picture = [i](int series) {
        return Picture{"", testing::noise_image(static_cast<uint64_t>(series + i))};
      };
      EditExample example;
      example.edit = {picture(1), "What is this?", i % 2 ? " cat" : " dog"};
      example.generality = {{example.edit.image, "And this?", example.edit.target},
                            {picture(10), "What is this?", example.edit.target},
                            {picture(20), "What is this?", example.edit.target}};
      example.image_locality = {{picture(30), "Where?", " here"}};
      example.text_locality = {{{}, "Who?", " me"}};
      all.push_back(std::move(example));
    }
    all[2].image_locality.clear();
    return all;
  }
};

TEST_F(LiveEditTrainingTest, DrawsOneQuestionOfEachKind) {
  using Kind = StepQuestions::Kind;
  const StepQuestions step(examples(), 0);
  EXPECT_EQ(step.count(Kind::edit), 3);
  EXPECT_EQ(step.count(Kind::text), 3);
  EXPECT_EQ(step.count(Kind::picture), 3);
  EXPECT_EQ(step.count(Kind::unrelated), 2);
  EXPECT_EQ(step.positives.inputs.size(), 3u);
  EXPECT_EQ(step.negatives.inputs.size(), 2u);
  const auto related = [&](int64_t q) {
    return step.kind[static_cast<size_t>(q)] != Kind::unrelated;
  };
  for (size_t i = 0; i < 3; ++i)
    EXPECT_EQ(related(step.positives.inputs[i]), related(step.positives.edits[i]));
  for (size_t i = 0; i < 2; ++i)
    EXPECT_NE(related(step.negatives.inputs[i]), related(step.negatives.edits[i]));
  for (size_t q = 0; q < step.queries.size(); ++q) {
    EXPECT_TRUE(step.queries[q].image.present());
    if (step.kind[q] == Kind::unrelated) continue;
    EXPECT_TRUE(step.expert_mask[static_cast<int64_t>(q)][static_cast<int64_t>(step.example[q])]
                    .item<bool>());
  }
  // The same step again, and another seed.
  const StepQuestions again(examples(), 0);
  EXPECT_TRUE(at::equal(step.expert_mask, again.expert_mask));
  EXPECT_EQ(step.positives.inputs, again.positives.inputs);
  bool differs = false;
  for (int64_t seed = 1; seed < 5; ++seed)
    differs = differs || !at::equal(step.expert_mask, StepQuestions(examples(), seed).expert_mask);
  EXPECT_TRUE(differs);
}

// The derivative along the gradient is its squared norm.
TEST_F(LiveEditTrainingTest, GradientsAgreeWithFiniteDifferences) {
  TrainableLiveEdit trainable(*vlm_, {{"module_dim", 16}, {"heads", 2}, {"rank", 2}, {"scale", 1}},
                              nullptr);
  std::vector<at::Tensor> leaves;
  for (const auto& one : trainable.parameters()) leaves.push_back(one.tensor);
  const auto gradients = torch::autograd::grad({trainable.losses(examples(), 0).total}, leaves);
  double square = 0;
  for (const auto& gradient : gradients) square += gradient.square().sum().item<double>();
  EXPECT_GT(square, 1e-4);
  const double step = 2e-3 / std::sqrt(square);
  const auto moved = [&](double by) {
    at::NoGradGuard no_grad;
    for (size_t i = 0; i < leaves.size(); ++i) leaves[i].add_(gradients[i], by);
    const auto loss = trainable.losses(examples(), 0).total.item<double>();
    for (size_t i = 0; i < leaves.size(); ++i) leaves[i].sub_(gradients[i], by);
    return loss;
  };
  const double difference = (moved(step) - moved(-step)) / (2 * step);
  EXPECT_NEAR(difference / square, 1, 0.02);
}

TEST_F(LiveEditTrainingTest, EveryLossCountsWithItsWeight) {
  const nlohmann::json none = {{"module_dim", 16},        {"heads", 2},
                               {"edit_weight", 0},        {"generality_weight", 0},
                               {"locality_weight", 0},    {"soft_routing_weight", 0},
                               {"hard_routing_weight", 0}};
  EXPECT_EQ(TrainableLiveEdit(*vlm_, none, nullptr).losses(examples(), 0).total.item<double>(), 0);
  double sum = 0;
  auto all = none;
  for (const auto& [name, value] : none.items()) {
    if (!name.ends_with("_weight")) continue;
    auto one = none;
    one[name] = 1;
    all[name] = 1;
    const auto loss =
        TrainableLiveEdit(*vlm_, one, nullptr).losses(examples(), 0).total.item<double>();
    EXPECT_GT(loss, 0) << name;
    sum += loss;
  }
  TrainableLiveEdit every(*vlm_, all, nullptr);
  EXPECT_NEAR(every.losses(examples(), 0).total.item<double>(), sum, 1e-4 * sum);
}

TEST_F(LiveEditTrainingTest, TrainingReducesTheLosses) {
  TrainableLiveEdit trainable(
      *vlm_, {{"module_dim", 16}, {"heads", 2}, {"lr", 0.002}, {"steps", 100000}}, nullptr);
  Trainer trainer(trainable);
  const auto first = trainer.step(examples());
  for (int i = 0; i < 100; ++i) trainer.step(examples());
  const auto last = trainer.step(examples());
  EXPECT_LT(last.generality, first.generality * 0.7);
  EXPECT_LT(last.ranks, first.ranks * 0.9);
}

TEST_F(LiveEditTrainingTest, RefusesEditsWithoutPictures) {
  TrainableLiveEdit trainable(*vlm_, {{"module_dim", 16}, {"heads", 2}}, nullptr);
  auto all = examples();
  all[1].edit.image = {};
  EXPECT_THAT(error_of([&] { trainable.losses(all, 0); }), HasSubstr("no image"));
  EXPECT_FALSE(trainable.has_independent_examples());
}

}  // namespace
}  // namespace emend
