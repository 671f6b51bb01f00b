#include "editing/editors/lifelong/ultraedit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "editing/editors/lifelong/column_statistics.h"
#include "editing/patches/merged_patches.h"
#include "editing/patches/patch_stack.h"
#include "editing/registry.h"
#include "editing/testing/tiny_vlm_test.h"
#include "io/error.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

class UltraEditTest : public testing::TinyVlmTest {
 protected:
  static EditRequest request(uint64_t picture, const std::string& target = " cat") {
    return {{"", testing::noise_image(picture)}, "What is this?", target};
  }
  static Patch edited(const EditRequest& request, const nlohmann::json& settings,
                      const MergedPatches& before = {}) {
    EditContext context;
    context.base = before.interventions(*vlm_);
    context.history = before.keys();
    return make_editor("ultraedit", settings)->edit(*vlm_, {request}, context);
  }
};

TEST(ColumnStatistics, PriorRowsKeepTheSignAndScaleOfOneRow) {
  const auto row = at::tensor({2.0, -0.001, 0.0}).view({1, 3});
  const auto alone = ColumnStatistics::of(row, 0);
  EXPECT_TRUE(at::equal(alone.deviation, at::zeros({3}, at::kDouble)));
  EXPECT_TRUE(at::equal(alone.normalized(row), at::zeros({1, 3}, at::kDouble)));
  const auto prior = ColumnStatistics::of(row, 1e6).normalized(row);
  EXPECT_TRUE(at::allclose(prior, at::tensor({1.0, -1.0, 0.0}, at::kDouble), 1e-3, 1e-3));
}

TEST(ColumnStatistics, MeanAndDeviationOfTheColumns) {
  const auto rows = at::tensor({1.0, 10.0, 2.0, 10.0, 6.0, 10.0}).view({3, 2});
  const auto statistics = ColumnStatistics::of(rows, 0);
  EXPECT_NEAR(statistics.mean[0].item<double>(), 3, 1e-12);
  EXPECT_NEAR(statistics.deviation[0].item<double>(), std::sqrt(7), 1e-6);
  EXPECT_EQ(statistics.deviation[1].item<double>(), 0);
}

TEST_F(UltraEditTest, LearningRateScalesTheUpdate) {
  const auto one = edited(request(1), {{"lr", 1e-3}}), two = edited(request(1), {{"lr", 2e-3}});
  ASSERT_EQ(one.deltas.size(), two.deltas.size());
  for (size_t i = 0; i < one.deltas.size(); ++i)
    EXPECT_TRUE(at::allclose(two.deltas[i].delta.materialized(),
                             2 * one.deltas[i].delta.materialized(), 1e-4, 1e-9));
  EXPECT_LT(one.effect["loss_after"], one.effect["loss_before"]);
}

TEST_F(UltraEditTest, FoundLearningRateMakesTheEditHold) {
  const auto patch = edited(request(1), {{"stop_loss", 1}});
  EXPECT_EQ(patch.effect["holds"], true) << patch.effect;
  EXPECT_GT(patch.effect["lr"], 0);
}

TEST_F(UltraEditTest, StatisticsAreThoseOfTheAppliedEdits) {
  const nlohmann::json settings = {{"lr", 1e-4}};
  const auto first = edited(request(1), settings), second = edited(request(2, " dog"), settings);
  // Only the history differs: the model is the same.
  const auto third = [&](const std::vector<SiteKeys>& history) {
    EditContext context;
    context.history = history;
    return make_editor("ultraedit", settings)->edit(*vlm_, {request(3, " x")}, context);
  };
  PatchStack stack;
  stack.apply(*vlm_, first);
  stack.apply(*vlm_, second);
  const auto with_both = third(stack.keys());
  stack.remove(first.id);
  const auto with_second = third(stack.keys());
  EXPECT_NE(with_both.id, with_second.id);
  EXPECT_EQ(with_second.id, third(second.keys).id);
  EXPECT_NE(with_second.id, third({}).id);
}

TEST_F(UltraEditTest, SavedPatchHasKeysAndGradients) {
  const auto patch = edited(request(1), {{"lr", 1e-4}});
  ASSERT_FALSE(patch.keys.empty());
  const auto path = *folder_ / "ultraedit.patch";
  save_patch(path, patch);
  const auto loaded = load_patch(path);
  ASSERT_EQ(loaded.keys.size(), patch.keys.size());
  for (size_t i = 0; i < patch.keys.size(); ++i) {
    EXPECT_TRUE(at::equal(loaded.keys[i].keys, patch.keys[i].keys));
    EXPECT_TRUE(at::equal(loaded.keys[i].gradients, patch.keys[i].gradients));
    EXPECT_EQ(patch.keys[i].keys.size(0), patch.keys[i].gradients.size(0));
  }
}

TEST_F(UltraEditTest, OneKeyWithoutAPriorIsAnError) {
  const nlohmann::json published = {
      {"prior_rows", 0}, {"end_of_answer", false}, {"layers", "2"}, {"lr", 1e-4}};
  EXPECT_THAT(error_of([&] { edited(request(1, "c"), published); }), HasSubstr("prior_rows"));
}

}  // namespace
}  // namespace emend
