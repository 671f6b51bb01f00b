#include "editing/editors/hyper/ke.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "editing/editors/hyper/ke_training.h"
#include "editing/targets/target_modules.h"
#include "editing/testing/hyper_network_test.h"
#include "io/error.h"
#include "io/testing.h"
#include "models/caching/prefix.h"
#include "suites/scenes/scenes.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

class KeTest : public testing::HyperNetworkTest {
 protected:
  static nlohmann::json small(const std::string& module = "language") {
    return {{"module", module}, {"lstm_width", 6},  {"condition_width", 8}, {"hidden_width", 5},
            {"lr", 3e-3},       {"rates_lr", 1e-2}, {"steps", 60},          {"margin", 0.01}};
  }
  static void steps(Trainer& trainer, int begin, int end) {
    for (int i = begin; i < end; ++i) trainer.step({example(i), example(i + 1)});
  }
  static std::unique_ptr<TrainableEditor> trained(const nlohmann::json& settings, int count) {
    auto trainable = make_trainable_editor("ke", vlm(), settings, nullptr);
    Trainer trainer(*trainable);
    steps(trainer, 0, count);
    return trainable;
  }
  static std::string checkpoint(const TrainableEditor& trainable, const std::string& name) {
    save_checkpoint(*folder_ / name, {"ke", vlm().fingerprint(), trainable.settings(),
                                      nlohmann::json::object(), trainable.tensors()});
    return *folder_ / name;
  }
  static double value(const TrainableEditor& trainable, const std::string& name) {
    return trainable.tensors().at(name).item<double>();
  }
};

TEST_F(KeTest, ReadsWrongAnswerTargetAndQuestion) {
  auto unknown = request(2);
  unknown.before = "";
  auto texts = edit_texts(vlm(), {request(1), unknown}, {}, nullptr);
  ASSERT_EQ(texts.size(), 2u);
  EXPECT_EQ(texts[0], "cow >> cat || What is this?");
  GenerationOptions options;
  options.max_new_tokens = 16;
  auto own = generate(vlm(), {{unknown.image.load(), unknown.prompt}}, {}, options).at(0);
  EXPECT_EQ(texts[1], own + " >> cat || What is this?");
}

TEST_F(KeTest, EditDependsOnTheText) {
  auto trainable = trained(small(), 3);
  auto other = request();
  other.before = "horse";
  auto one = trainable->as_editor()->edit(vlm(), {request()});
  auto two = trainable->as_editor()->edit(vlm(), {other});
  EXPECT_EQ(one.effect["reads"], "cow >> cat || What is this?");
  EXPECT_EQ(two.effect["reads"], "horse >> cat || What is this?");
  EXPECT_FALSE(at::equal(one.deltas[0].delta.up, two.deltas[0].delta.up));
}

TEST_F(KeTest, ConditionsOnThePictureIfSet) {
  for (const std::string module : {"language", "connector", "vision_tower"}) {
    auto settings = small(module);
    settings["image"] = true;
    auto trainable = trained(settings, 2);
    EXPECT_TRUE(trainable->tensors().count("condition.picture")) << module;
    // In a batch of two edits, each uses its own picture.
    auto both = trainable->as_editor()->edit(vlm(), {request(1), request(2)});
    auto one = trainable->as_editor()->edit(vlm(), {request(1)});
    auto two = trainable->as_editor()->edit(vlm(), {request(2)});
    for (size_t i = 0; i < both.deltas.size(); ++i)
      EXPECT_LT(
          relative_error(both.deltas[i].delta.materialized(),
                         one.deltas[i].delta.materialized() + two.deltas[i].delta.materialized()),
          1e-3)
          << module;
  }
  auto settings = small();
  settings["image"] = true;
  EditRequest text{{}, "Where is it?", " home"};
  EXPECT_FALSE(trained(settings, 2)->as_editor()->edit(vlm(), {text}).deltas.empty());
}

TEST_F(KeTest, GradientsAgreeWithFiniteDifferences) {
  for (const std::string module : {"language", "connector"}) {
    auto settings = small(module);
    settings["image"] = true;
    settings["edit_weight"] = 20;  // far above the rounding error
    settings["init"] = 1;
    auto trainable = trained(settings, 2);
    const std::vector<EditExample> examples = {example(1), example(2)};
    auto losses = [&] { return trainable->losses(examples, 0); };
    std::vector<at::Tensor> leaves;
    for (const auto& one : trainable->parameters()) leaves.push_back(one.tensor);
    auto at_rest = losses();
    auto gradients = torch::autograd::grad({at_rest.total}, leaves, {}, false, false, true);
    at::NoGradGuard no_grad;
    int compared = 0;
    for (size_t i = 0; i < leaves.size(); ++i) {
      ASSERT_TRUE(gradients[i].defined()) << trainable->parameters()[i].name;
      // The multiplier increases by the excess over the margin.
      if (trainable->parameters()[i].is_rate) {
        EXPECT_NEAR(-gradients[i].item<double>(),
                    at_rest.image_locality + at_rest.text_locality - 0.01, 1e-6);
        continue;
      }
      // In the direction of the gradient, where the change is largest relative to rounding.
      auto size = gradients[i].norm().item<double>();
      if (size < 0.5) continue;
      ++compared;
      auto direction = gradients[i] / size;
      // The rounding error of the loss is about 1e-5, so the median slope of several steps is used.
      const auto loss_at = [&](double by) {
        leaves[i].add_(direction, by);
        const auto loss = losses().total.item<double>();
        leaves[i].add_(direction, -by);
        return loss;
      };
      std::vector<double> slopes;
      for (const double step : {4e-4, 5e-4, 6e-4, 7e-4, 8e-4})
        slopes.push_back((loss_at(step) - loss_at(-step)) / (2 * step));
      std::sort(slopes.begin(), slopes.end());
      const auto slope = slopes[slopes.size() / 2];
      EXPECT_NEAR(slope / size, 1, 0.05) << module << " " << trainable->parameters()[i].name;
    }
    EXPECT_GE(compared, 4) << module;
  }
}

TEST_F(KeTest, TrainingReducesTheLoss) {
  auto settings = small();
  settings["lr"] = 1e-2;
  settings["max_scale"] = 5;
  settings["margin"] = 1;  // a random model has no meaningful locality
  auto trainable = make_trainable_editor("ke", vlm(), settings, nullptr);
  Trainer trainer(*trainable);
  double begin = 0, end = 0;
  for (int i = 0; i < 60; ++i) {
    auto losses = trainer.step({example(i % 4), example(i % 4 + 1)});
    (i < 8 ? begin : end) += i < 8 || i >= 52 ? losses.generality : 0;
  }
  EXPECT_LT(end, 0.5 * begin);
  auto patch = trainable->as_editor()->edit(vlm(), {request(3)});
  EXPECT_LT(patch.effect["loss_after"].get<double>(),
            0.5 * patch.effect["loss_before"].get<double>());
}

TEST_F(KeTest, MultiplierIncreasesAboveTheMarginAndStaysNonNegative) {
  auto settings = small();
  settings["locality_weight"] = 0.03;
  settings["margin"] = 0;
  auto strict = trained(settings, 6);
  EXPECT_GT(value(*strict, "alpha"), 0.05);
  settings["margin"] = 1e3;
  auto free = trained(settings, 6);
  free->losses({example(1)}, 0);  // it is clamped before it is used
  EXPECT_EQ(value(*free, "alpha"), 0);
}

TEST_F(KeTest, MarginDecreasesWhenEditsHold) {
  auto settings = small();
  settings["margin_least"] = 0.007;
  auto trainable = make_trainable_editor("ke", vlm(), settings, nullptr);
  EXPECT_NEAR(value(*trainable, "margin"), 0.01, 1e-8);
  trainable->on_validation(0.9);
  EXPECT_NEAR(value(*trainable, "margin"), 0.01, 1e-8);
  trainable->on_validation(0.95);
  EXPECT_NEAR(value(*trainable, "margin"), 0.008, 1e-8);
  trainable->on_validation(1);
  EXPECT_NEAR(value(*trainable, "margin"), 0.007, 1e-8);
}

TEST_F(KeTest, ResumesBitForBit) {
  auto whole = make_trainable_editor("ke", vlm(), small(), nullptr);
  Trainer unbroken(*whole);
  steps(unbroken, 0, 3);
  whole->on_validation(1);
  std::map<std::string, at::Tensor> state;
  for (const auto& [name, tensor] : unbroken.state()) state[name] = tensor.detach().clone();
  steps(unbroken, 3, 6);

  auto again = make_trainable_editor("ke", vlm(), small(), nullptr);
  Trainer resumed(*again);
  resumed.load(state, "the state");
  steps(resumed, 3, 6);
  for (const auto& [name, tensor] : unbroken.state())
    EXPECT_TRUE(at::equal(tensor, resumed.state().at(name))) << name;
  state.erase("alpha");
  EXPECT_THAT(error_of([&] { resumed.load(state, "F"); }), HasSubstr("'alpha'"));
}

TEST_F(KeTest, EveryRowOfABatchGetsTheDeltaOfItsEdit) {
  for (const std::string module : {"language", "connector", "vision_tower"}) {
    KeConfig shape;
    shape.where.module = module;
    KeState ke{shape.network(model(), 1, 3)};
    const std::vector<EditRequest> edits = {request(1), request(2, " dog")};
    auto texts = edit_texts(vlm(), edits, {}, nullptr);
    std::vector<TargetQuery> queries;
    for (const auto& edit : edits) queries.push_back({edit.image, edit.prompt, edit.target});
    const auto first = first_stage_of(model(), ke.network.sites());
    at::NoGradGuard no_grad;
    auto forced = force(vlm(), queries, false);
    auto both = ke.make(vlm(), forward_until(vlm(), forced.batch, first), forced, texts, {});
    for (size_t row : {0, 1}) {
      auto alone = force(vlm(), {queries[row]}, false);
      auto one =
          ke.make(vlm(), forward_until(vlm(), alone.batch, first), alone, {texts[row]}, {}).deltas;
      for (size_t i = 0; i < one.size(); ++i) {
        auto product = [](const EditDeltas& d) { return at::bmm(d.up.transpose(1, 2), d.down); };
        EXPECT_LT(relative_error(product(one[i])[0], product(both.deltas[i])[row]), 1e-3) << module;
      }
    }
  }
}

TEST_F(KeTest, PatchIsLowRank) {
  auto patch = trained(small(), 3)->as_editor()->edit(vlm(), {request()});
  ASSERT_EQ(patch.deltas.size(), 6u);
  for (const auto& change : patch.deltas) {
    ASSERT_TRUE(change.delta.low_rank()) << change.site;
    EXPECT_LE(change.delta.up.size(1), 31) << change.site;  // the tokens of the edit, and one more
  }
}

TEST_F(KeTest, CheckpointGivesSameEditorAndBelongsToOneModel) {
  auto settings = small("connector");
  settings["image"] = true;
  auto trainable = trained(settings, 3);
  auto file = checkpoint(*trainable, "vision.safetensors");
  KeEditor editor(nlohmann::json{{"checkpoint", file}, {"module", "connector"}});
  auto patch = editor.edit(vlm(), {request()});
  auto fresh = trainable->as_editor()->edit(vlm(), {request()});
  ASSERT_EQ(patch.deltas.size(), fresh.deltas.size());
  for (size_t i = 0; i < patch.deltas.size(); ++i)
    EXPECT_TRUE(
        at::equal(patch.deltas[i].delta.materialized(), fresh.deltas[i].delta.materialized()));

  testing::write_tiny_vlm(*folder_ / "other", 5);
  auto other = load_vlm(*folder_ / "other");
  EXPECT_THAT(error_of([&] { editor.edit(other, {request()}); }),
              HasSubstr("was trained for the base model"));
  KeEditor unnamed(nlohmann::json{{"module", "connector"}});
  EXPECT_THAT(error_of([&] { unnamed.edit(vlm(), {request()}); }), HasSubstr("--editor ke"));
}

// The trained editor of the bundled model.
TEST(KeBundledTest, EditsHoldAndAreGenerated) {
  const std::string folder = EMEND_SOURCE_DIR "/models/scenes-blip2";
  if (!std::filesystem::exists(folder + "/editors/ke-language.safetensors"))
    GTEST_SKIP() << "the trained editor is missing: " << folder;
  auto vlm = load_vlm(folder);
  auto editor = make_editor("ke", {{"module", "language"}});
  int hold = 0, said = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    auto record = scenes::counterfactual(scenes::Split::eval, seed);
    EditRequest request{record.image,
                        "Question: " + record.prompt + " Short answer:", " " + record.target};
    auto patch = editor->edit(vlm, {request});
    hold += patch.effect["holds"].get<bool>();
    Interventions edited;
    for (const auto& change : patch.deltas) {
      auto one = Intervention::weight(change.site, change.delta);
      edited.push_back(std::move(one));
    }
    Query query{record.image.load(), request.prompt};
    said += generate(vlm, {query}, edited).at(0) == record.target;
  }
  EXPECT_GE(hold, 9);
  EXPECT_GE(said, 9);
}

TEST_F(KeTest, TextOnlyEditsWorkOnlyInTheLanguageModule) {
  EditRequest text{{}, "Where is it?", " home"};
  EXPECT_FALSE(trained(small(), 2)->as_editor()->edit(vlm(), {text}).deltas.empty());
  auto vision = trained(small("connector"), 2);
  EXPECT_THAT(error_of([&] { vision->as_editor()->edit(vlm(), {text}); }),
              HasSubstr("no gradient at any layer"));
}

TEST_F(KeTest, RejectsInvalidSettings) {
  EXPECT_THAT(error_of([] {
                KeEditor(nlohmann::json{{"checkpint", "x"}});
              }),
              HasSubstr("checkpint"));
  EXPECT_THAT(error_of([] { KeEditor(nlohmann::json{{"module", "ears"}}); }), HasSubstr("module"));
  EXPECT_THAT(error_of([] {
                make_trainable_editor("ke", vlm(), {{"rank", 3}}, nullptr);
              }),
              HasSubstr("rank"));
  auto settings = small();
  settings["sites"] = "language_projection";
  settings["image"] = true;
  EXPECT_EQ(error_of([&] { trained(settings, 1); }), "no error");
}

}  // namespace
}  // namespace emend
