#include "editing/editors/optimize_deltas.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "editing/testing/tiny_vlm_test.h"
#include "io/error.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

class OptimizeDeltasTest : public testing::TinyVlmTest {
 protected:
  static EditRequest request(const std::string& target = " cat") {
    return {{"", testing::noise_image(1)}, "What is this?", target};
  }
  static Patch edit(const std::string& editor, const nlohmann::json& settings,
                    const EditContext& context = {}) {
    return make_editor(editor, settings)->edit(*vlm_, {request()}, context);
  }
  static double loss(const Patch& patch, const char* when) {
    return patch.effect.at(when).get<double>();
  }
};

TEST_F(OptimizeDeltasTest, EveryOptimizerLowersTheLossOfEveryEditor) {
  for (const std::string editor : {"ft", "lora"})
    for (auto [optimizer, lr] : {std::pair{"adamw", 0.01}, {"adam", 0.01}, {"sgd", 0.05}}) {
      auto patch = edit(editor, {{"optimizer", optimizer}, {"lr", lr}, {"steps", 15}});
      EXPECT_LT(loss(patch, "loss_after"), loss(patch, "loss_before") - 0.3)
          << editor << " " << optimizer;
    }
}

// Counts how often a stage runs, by an observer at its boundary.
Intervention counter(const std::string& stage, int64_t& count) {
  auto observer = Intervention::boundary(stage, [&count](const at::Tensor& x) {
    ++count;
    return x;
  });
  return observer;
}

TEST_F(OptimizeDeltasTest, StagesBeforeTheEditRunOnceAndWithoutGradient) {
  for (const std::string editor : {"ft", "lora"}) {
    int64_t block1 = 0, block2 = 0, project = 0;
    bool gradient_below = false, gradient_above = false;
    EditContext context;
    context.base = {counter("connector.project", project), counter("language.block.1", block1),
                    counter("language.block.2", block2)};
    auto watch = [](const std::string& stage, bool& seen) {
      auto observer = Intervention::boundary(stage, [&seen](const at::Tensor& x) {
        seen = seen || x.requires_grad();
        return x;
      });
      return observer;
    };
    context.base.push_back(watch("language.block.1", gradient_below));
    context.base.push_back(watch("language.block.2", gradient_above));
    nlohmann::json settings = {{"lr", 1e-6},
                               {"steps", 7},
                               {"stop_loss", 0},
                               {"sites", "language_model.model.decoder.layers.2.fc2"}};
    edit(editor, settings, context);
    EXPECT_EQ(project, 1) << editor;
    EXPECT_EQ(block1, 1) << editor;
    EXPECT_EQ(block2, 8) << editor;  // seven steps and the final evaluation
    EXPECT_FALSE(gradient_below) << editor;
    EXPECT_TRUE(gradient_above) << editor;
  }
}

TEST_F(OptimizeDeltasTest, SecondEditReusesStoredActivations) {
  ActivationStore store(ActivationStore::Options{});
  EditContext context;
  context.store = &store;
  edit("ft", {{"steps", 1}}, context);
  auto before = store.counts();
  edit("ft", {{"steps", 2}}, context);
  EXPECT_GT(store.counts().memory_hits, before.memory_hits);
  EXPECT_EQ(store.counts().misses, before.misses);
}

TEST_F(OptimizeDeltasTest, StopsWhenTheAnswerHolds) {
  auto stopped = edit("ft", {{"lr", 0.02}, {"steps", 300}, {"stop_loss", 0.1}});
  EXPECT_LT(stopped.effect["steps"].get<int64_t>(), 300);
  EXPECT_TRUE(stopped.effect["holds"].get<bool>());
  EXPECT_LT(loss(stopped, "loss_after"), 0.1);
  auto never = edit("ft", {{"lr", 0.02}, {"steps", 60}, {"stop_loss", 0}});
  EXPECT_EQ(never.effect["steps"], 60);
}

TEST_F(OptimizeDeltasTest, NormConstraintBoundsEveryElement) {
  nlohmann::json settings = {{"lr", 0.02}, {"steps", 20}, {"stop_loss", 0}};
  double largest = 0;
  for (const auto& change : edit("ft", settings).deltas)
    largest = std::max(largest, change.delta.dense.abs().max().item<double>());
  EXPECT_GT(largest, 0.01);
  settings["norm_constraint"] = 0.005;
  auto patch = edit("ft", settings);
  for (const auto& change : patch.deltas) {
    EXPECT_LE(change.delta.dense.abs().max().item<float>(), 0.005f);
    EXPECT_GT(change.delta.dense.abs().max().item<double>(), 0.0049);
  }
  EXPECT_LT(loss(patch, "loss_after"), loss(patch, "loss_before"));
}

TEST_F(OptimizeDeltasTest, ClippingShortensASgdStep) {
  nlohmann::json settings = {{"optimizer", "sgd"}, {"lr", 1.0}, {"steps", 1}, {"stop_loss", 0}};
  auto length = [](const Patch& patch) {
    double squares = 0;
    for (const auto& change : patch.deltas)
      squares += std::pow(change.delta.dense.norm().item<double>(), 2);
    return std::sqrt(squares);
  };
  EXPECT_GT(length(edit("ft", settings)), 0.02);
  settings["clip"] = 0.01;
  EXPECT_NEAR(length(edit("ft", settings)), 0.01, 1e-5);
}

TEST_F(OptimizeDeltasTest, PromptLastTrainsAllTokensAtTheEndOfThePrompt) {
  // For an answer of one token, the two objectives are equal.
  auto one = [](const std::string& objective, const std::string& target) {
    nlohmann::json settings = {{"objective", objective}, {"end_of_answer", false}, {"steps", 5}};
    auto editor = make_editor("ft", settings);
    return editor->edit(*vlm_, {request(target)});
  };
  auto same = [](const Patch& a, const Patch& b) {
    for (size_t i = 0; i < a.deltas.size(); ++i)
      if (!at::equal(a.deltas[i].delta.dense, b.deltas[i].delta.dense)) return false;
    return true;
  };
  EXPECT_TRUE(same(one("target", "x"), one("prompt_last", "x")));
  auto long_one = one("prompt_last", "xyz");
  EXPECT_FALSE(same(one("target", "xyz"), long_one));
  // All tokens are trained at the last position of the prompt, not at their own positions.
  EXPECT_LT(loss(long_one, "loss_after"), loss(long_one, "loss_before"));
}

TEST_F(OptimizeDeltasTest, WeightDecayPullsTheChangeToZero) {
  nlohmann::json settings = {{"lr", 0.01}, {"steps", 20}, {"stop_loss", 0}};
  auto free = edit("ft", settings);
  settings["weight_decay"] = 5.0;
  auto pulled = edit("ft", settings);
  for (size_t i = 0; i < free.deltas.size(); ++i)
    EXPECT_LT(pulled.deltas[i].delta.dense.norm().item<double>(),
              free.deltas[i].delta.dense.norm().item<double>());
}

TEST_F(OptimizeDeltasTest, OnABfloat16ModelDeltasStayFloat32) {
  auto half = load_vlm(folder_->path(), {at::kBFloat16, at::kCPU});
  for (const std::string editor : {"ft", "lora"}) {
    auto patch = make_editor(editor, {{"lr", 0.01}, {"steps", 15}})->edit(half, {request()});
    EXPECT_LT(loss(patch, "loss_after"), loss(patch, "loss_before") - 0.3) << editor;
    for (const auto& change : patch.deltas)
      EXPECT_EQ(change.delta.materialized().scalar_type(), at::kFloat) << editor;
    EditContext context;
    context.base = patch.interventions(half);
    EditRequest other{{"", testing::noise_image(2)}, "What is that?", " dog"};
    auto second = make_editor(editor, {{"lr", 0.01}, {"steps", 15}})->edit(half, {other}, context);
    EXPECT_LT(loss(second, "loss_after"), loss(second, "loss_before") - 0.3) << editor;
  }
}

TEST_F(OptimizeDeltasTest, DefaultsHoldWithEveryOptimizer) {
  for (const std::string optimizer : {"adamw", "adam", "sgd"})
    for (const std::string editor : {"ft", "lora"}) {
      auto patch = edit(editor, {{"optimizer", optimizer}});
      EXPECT_TRUE(patch.effect["holds"].get<bool>()) << editor << " " << optimizer;
      EXPECT_EQ(patch.effect["stop_reason"], "holds");
      EXPECT_TRUE(patch.effect["failed_tokens"].empty());
    }
}

TEST_F(OptimizeDeltasTest, ReportsTheFailedTokensOfAnEditThatDoesNotHold) {
  auto patch = edit("ft", {{"steps", 0}});
  EXPECT_FALSE(patch.effect["holds"].get<bool>());
  EXPECT_EQ(patch.effect["stop_reason"], "step_limit");
  ASSERT_FALSE(patch.effect["failed_tokens"].empty());
  for (const auto& token : patch.effect["failed_tokens"]) {
    EXPECT_NE(token["expected"], token["predicted"]);
    EXPECT_TRUE(token["position"].is_number());
    EXPECT_FALSE(token.contains("request"));
  }
  auto batch = make_editor("ft", {{"steps", 0}})->edit(*vlm_, {request(), request()});
  EXPECT_EQ(batch.effect["failed_tokens"].back()["request"], 1);
}

TEST_F(OptimizeDeltasTest, ListsOneLossPerStepUpToALimit) {
  nlohmann::json settings = {{"lr", 1e-4}, {"steps", 7}, {"stop_loss", 0}};
  auto few = edit("ft", settings);
  ASSERT_EQ(few.effect["losses"].size(), 8u);
  EXPECT_EQ(few.effect["losses"].front(), few.effect["loss_before"]);
  EXPECT_EQ(few.effect["losses"].back(), few.effect["loss_after"]);
  settings["steps"] = 230;
  auto many = edit("ft", settings);
  EXPECT_LE(many.effect["losses"].size(), 200u);
  EXPECT_GT(many.effect["losses"].size(), 100u);
  EXPECT_EQ(many.effect["losses"].back(), many.effect["loss_after"]);
}

TEST_F(OptimizeDeltasTest, RefusesToEditBelowARewrittenRequest) {
  EditContext context;
  auto rewrite = Intervention::request([](const Batch& batch) { return batch; });
  context.base = {rewrite};
  try {
    edit("ft", {{"steps", 1}}, context);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("rewrites requests"));
  }
}

}  // namespace
}  // namespace emend
