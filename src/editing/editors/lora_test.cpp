#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "editing/registry.h"
#include "editing/testing/tiny_vlm_test.h"
#include "io/error.h"
#include "suites/scenes/scenes.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

class LoraTest : public testing::TinyVlmTest {
 protected:
  static Patch edit(const nlohmann::json& settings) {
    EditRequest request{{"", testing::noise_image(1)}, "What is this?", " cat"};
    return make_editor("lora", settings)->edit(*vlm_, {request});
  }
};

TEST_F(LoraTest, ChangesQueryAndValueWithTheGivenRank) {
  auto patch = edit({{"rank", 3}, {"lr", 0.01}, {"steps", 10}});
  ASSERT_EQ(patch.deltas.size(), 6u);  // q and v of three blocks
  for (const auto& [site, delta] : patch.deltas) {
    EXPECT_THAT(site, ::testing::AnyOf(HasSubstr("q_proj"), HasSubstr("v_proj")));
    ASSERT_TRUE(delta.low_rank());
    EXPECT_EQ(delta.up.sizes(), (at::IntArrayRef{32, 3}));
    EXPECT_EQ(delta.down.sizes(), (at::IntArrayRef{3, 32}));
    EXPECT_FALSE(delta.up.requires_grad() || delta.down.requires_grad());
    EXPECT_GT(delta.materialized().norm().item<double>(), 0);
  }
}

TEST_F(LoraTest, VisionEditsQueryAndValueOfTheConnector) {
  auto patch = edit({{"module", "connector"}, {"lr", 0.01}, {"steps", 3}});
  ASSERT_EQ(patch.deltas.size(), 6u);  // two self-attentions and one cross-attention
  for (const auto& change : patch.deltas) {
    EXPECT_THAT(change.site, HasSubstr("qformer"));
    EXPECT_THAT(change.site, ::testing::AnyOf(HasSubstr("query"), HasSubstr("value")));
    EXPECT_EQ(change.site.find("output_query"), std::string::npos);
  }
}

TEST_F(LoraTest, RankIsLimitedByTheSmallerDimension) {
  auto patch = edit({{"module", "projector"}, {"rank", 100}, {"lr", 0.01}, {"steps", 2}});
  ASSERT_EQ(patch.deltas.size(), 1u);
  EXPECT_EQ(patch.deltas[0].delta.up.size(1), 16);
}

// The first step of SGD changes B by -lr * s * G A^T, so the delta by -lr s^2 G A^T A.
TEST_F(LoraTest, AlphaOverRankScalesTheChange) {
  auto step = [](double alpha) {
    return edit({{"alpha", alpha},
                 {"rank", 4},
                 {"optimizer", "sgd"},
                 {"lr", 0.01},
                 {"steps", 1},
                 {"stop_loss", 0}})
        .deltas.at(0)
        .delta.materialized();
  };
  EXPECT_TRUE(at::allclose(step(8), 4 * step(4), 1e-4, 1e-9));
}

TEST_F(LoraTest, SeedDeterminesTheInitialization) {
  nlohmann::json settings = {{"steps", 2}, {"seed", 1}};
  auto first = edit(settings);
  EXPECT_EQ(edit(settings).id, first.id);
  settings["seed"] = 2;
  auto other = edit(settings);
  EXPECT_FALSE(at::allclose(other.deltas[0].delta.down, first.deltas[0].delta.down, 0.01, 0.01));
}

TEST(LoraBundledTest, BothModulesReachTheTarget) {
  const std::string folder = EMEND_SOURCE_DIR "/models/scenes-blip2";
  if (!std::filesystem::exists(folder + "/model.safetensors"))
    GTEST_SKIP() << "the bundled model is missing: " << folder;
  auto vlm = load_vlm(folder);
  for (uint64_t seed : {1, 2, 3}) {
    auto record = scenes::counterfactual(scenes::Split::eval, seed);
    EditRequest request{record.image,
                        "Question: " + record.prompt + " Short answer:", " " + record.target};
    for (const std::string module : {"language", "connector"}) {
      auto patch = make_editor("lora", {{"module", module}})->edit(vlm, {request});
      EXPECT_TRUE(patch.effect["holds"].get<bool>()) << module << " " << patch.effect;
      Query query{record.image.load(), request.prompt};
      EXPECT_EQ(generate(vlm, {query}, patch.interventions(vlm)).at(0), record.target) << module;
    }
  }
}

}  // namespace
}  // namespace emend
