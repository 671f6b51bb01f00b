#include "editing/training/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "io/error.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

// A trainable that learns the value 3 for its only weight. The prompt "nan" gives a loss of NaN.
class OneWeight : public TrainableEditor {
 public:
  OneWeight() {
    settings_.accumulate = 1;
    settings_.lr = 0.1;
    settings_.steps = 100;
  }
  std::string editor() const override { return "one"; }
  nlohmann::json settings() const override { return nlohmann::json::object(); }
  const TrainSettings& training() const override { return settings_; }
  std::vector<TrainableParameter> parameters() const override { return {{"weight", weight_}}; }
  std::map<std::string, at::Tensor> tensors() const override { return {{"weight", weight_}}; }
  void load(const std::map<std::string, at::Tensor>& tensors, const std::string&) override {
    weight_.copy_(tensors.at("weight"));
  }
  EditLosses losses(const std::vector<EditExample>& examples, int64_t /*step*/) override {
    EditLosses losses;
    const double worse = examples.at(0).edit.prompt == "nan" ? NAN : 1;
    losses.total = (weight_ - 3).square().sum() * worse;
    return losses;
  }
  std::unique_ptr<Editor> as_editor() const override { return nullptr; }

  at::Tensor weight_ = at::zeros({1}).requires_grad_();
  TrainSettings settings_;
};

std::vector<EditExample> examples(const std::string& prompt = "fine") {
  EditExample example;
  example.edit.prompt = prompt;
  return {example};
}

TEST(Trainer, StepsAgreeWithAdam) {
  OneWeight one;
  Trainer trainer(one);
  trainer.step(examples());
  EXPECT_NEAR(one.weight_.item<double>(), 0.1, 1e-6);  // the first step of Adam is lr
  for (int i = 0; i < 99; ++i) trainer.step(examples());
  EXPECT_NEAR(one.weight_.item<double>(), 3, 0.1);
}

TEST(Trainer, AccumulatesGradientsAndDecaysTheRate) {
  OneWeight one;
  one.settings_.accumulate = 2;
  one.settings_.decay = 1;
  one.settings_.steps = 4;
  Trainer trainer(one);
  trainer.step(examples());
  EXPECT_EQ(one.weight_.item<double>(), 0);
  trainer.step(examples());
  EXPECT_NEAR(one.weight_.item<double>(), 0.1 * 3 / 4, 1e-6);
}

TEST(Trainer, SkipsGradientsThatAreNotFiniteAndStopsIfTheyPersist) {
  OneWeight one;
  Trainer trainer(one);
  trainer.step(examples());
  auto weight = one.weight_.item<double>();
  for (int i = 0; i < 9; ++i) trainer.step(examples("nan"));
  EXPECT_EQ(one.weight_.item<double>(), weight);
  trainer.step(examples());
  EXPECT_NE(one.weight_.item<double>(), weight);
  EXPECT_EQ(trainer.skipped(), 9);
  EXPECT_EQ(trainer.steps(), 11);
  for (int i = 0; i < 9; ++i) trainer.step(examples("nan"));
  try {
    trainer.step(examples("nan"));
    FAIL() << "training continued";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("10 successive steps"));
    EXPECT_THAT(error.what(), HasSubstr("learning rate"));
  }
}

TEST(Trainer, ResumesBitForBit) {
  OneWeight whole, first, second;
  for (auto* one : {&whole, &first, &second}) one->settings_.accumulate = 2;
  Trainer unbroken(whole), before(first), after(second);
  for (int i = 0; i < 20; ++i) unbroken.step(examples());
  for (int i = 0; i < 7; ++i) before.step(examples());
  std::map<std::string, at::Tensor> state;
  for (const auto& [name, tensor] : before.state()) state[name] = tensor.detach().clone();
  after.load(state, "the state");
  EXPECT_EQ(after.steps(), 7);
  for (int i = 7; i < 20; ++i) after.step(examples());
  EXPECT_TRUE(at::equal(whole.weight_, second.weight_));
  state.erase("adam.mean.weight");
  EXPECT_THROW(after.load(state, "the state"), Error);
}

TEST(Trainer, AveragesTheNetworks) {
  OneWeight one;
  one.settings_.average = 0.5;
  Trainer trainer(one);
  // The decay is 2/11, then 3/12, and so on, up to 0.5.
  double expected = 0;
  for (int i = 1; i <= 20; ++i) {
    trainer.step(examples());
    const double decay = std::min(0.5, (1.0 + i) / (10 + i));
    expected = decay * expected + (1 - decay) * one.weight_.item<double>();
  }
  const auto weight = one.weight_.detach().clone();
  const auto state = trainer.state();
  EXPECT_NEAR(state.at("adam.average.weight").item<double>(), expected, 1e-5);
  {
    const Trainer::AveragedNetworks averaged(trainer);
    EXPECT_NEAR(one.weight_.item<double>(), expected, 1e-5);
  }
  EXPECT_TRUE(at::equal(one.weight_, weight));
  EXPECT_NEAR(trainer.state().at("adam.average.weight").item<double>(), expected, 1e-5);
}

at::Tensor row(const std::vector<float>& values) { return at::tensor(values).unsqueeze(0); }

TEST(ShrunkGaps, CountOnlyShrinkingGaps) {
  auto before = at::log_softmax(row({5.0f, 3.0f, 2.0f, 0.0f}), -1);
  EXPECT_EQ(gap_shrinkage(before, before, 2).item<double>(), 0);
  EXPECT_NEAR(gap_shrinkage(before, before + 1, 2).item<double>(), 0, 1e-5);
  auto wider = at::log_softmax(row({8.0f, 3.0f, 1.0f, 0.0f}), -1);
  EXPECT_NEAR(gap_shrinkage(before, wider, 2).item<double>(), 0, 1e-5);
  // The first gap, 2, becomes 1; the second is unchanged.
  auto closer = at::log_softmax(row({4.0f, 3.0f, 2.0f, 0.0f}), -1);
  EXPECT_NEAR(gap_shrinkage(before, closer, 2).item<double>(), 1 / 2.02 / 2, 1e-5);
}

}  // namespace
}  // namespace emend
