#include "editing/editors/locate/value/optimize_value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "editing/editors/locate/contexts/context_templates.h"
#include "editing/testing/tiny_vlm_test.h"
#include "io/error.h"
#include "io/testing.h"
#include "models/caching/prefix.h"
#include "nn/loss.h"

namespace emend {
namespace {

class OptimizeValueTest : public testing::TinyVlmTest {
 protected:
  static EditRequest request() {
    EditRequest request{{"", testing::noise_image(1)}, "Where is the red dog now?", " at home"};
    request.subject = "red dog";
    return request;
  }
  static LocateSettings quick() {
    LocateSettings settings;
    settings.steps = 8;
    settings.stop_loss = 0;
    settings.adaptive = false;
    settings.prefixes = 2;
    settings.prefix_length = 4;
    settings.altered_pictures = 2;
    return settings;
  }
  static EditContexts contexts(const LocateSettings& settings,
                               const EditRequest& request = OptimizeValueTest::request()) {
    return edit_contexts(*vlm_, request, settings,
                         generated_prefixes(*vlm_, settings.prefixes, settings.prefix_length, 1));
  }
  static EditValue value(const LocateSettings& settings, const std::string& site) {
    return optimize_values(*vlm_, {contexts(settings)}, vlm_->model->site(site), settings, {})
        .front();
  }
  // The mean loss per answer token over all contexts, with the offset added in a complete pass.
  static double complete_loss(const EditContexts& contexts, const std::string& site,
                              const at::Tensor& offset) {
    at::NoGradGuard no_grad;
    auto pass = vlm_->model->collate(contexts.forced.batch);
    pass.logit_positions = answer_positions(contexts.forced);
    const auto add = Intervention::output(site, [&](const at::Tensor& y) {
      if (contexts.lookup.empty()) return y + offset;
      auto changed = y.clone();
      for (int64_t r = 0; r < contexts.size(); ++r)
        for (size_t i = 0; i < contexts.lookup.size(); ++i)
          changed[r][static_cast<int64_t>(
                         contexts.forced.batch.rows[static_cast<size_t>(r)].ids.size()) -
                     contexts.lookup[i]] += offset[static_cast<int64_t>(i)];
      return changed;
    });
    vlm_->model->run(pass, {add});
    return answer_loss(pass.logits(), answer_tokens(contexts.forced)).item<double>();
  }

  static constexpr const char* kLanguageSite = "language_model.model.decoder.layers.1.fc2";
  static constexpr const char* kConnectorSite = "qformer.encoder.layer.1.output_query.dense";
  static constexpr const char* kProjector = "language_projection";
  static constexpr const char* kTowerSite = "vision_model.encoder.layers.1.mlp.fc2";
};

// The positions before the lookup position run only once, which changes the loss by rounding only.
TEST_F(OptimizeValueTest, LossIsThatOfCompletePasses) {
  for (const char* lookup : {"subject", "last", "answer", "last_image"}) {
    auto settings = quick();
    settings.lookup = lookup;
    const auto all = contexts(settings);
    const auto found = value(settings, kLanguageSite);
    EXPECT_NEAR(found.losses.front(),
                complete_loss(all, kLanguageSite, at::zeros_like(found.offset)), 1e-4)
        << lookup;
    EXPECT_NEAR(found.losses.back(), complete_loss(all, kLanguageSite, found.offset), 1e-4)
        << lookup;
    EXPECT_LT(found.losses.back(), found.losses.front()) << lookup;
  }
}

TEST_F(OptimizeValueTest, PrefixesAreContextsOfATextOnlyPrompt) {
  auto text_only = request();
  text_only.image = {};
  for (const char* lookup : {"subject", "last", "answer"}) {
    auto settings = quick();
    settings.lookup = lookup;
    const auto all = contexts(settings, text_only);
    ASSERT_EQ(all.size(), 3) << "bare, and two prefixes";
    const auto found =
        optimize_values(*vlm_, {all}, vlm_->model->site(kLanguageSite), settings, {}).front();
    EXPECT_NEAR(found.losses.back(), complete_loss(all, kLanguageSite, found.offset), 1e-4)
        << lookup;
    EXPECT_LT(found.losses.back(), found.losses.front()) << lookup;
  }
}

TEST_F(OptimizeValueTest, AllPositionsOfAPictureHaveAnOffset) {
  for (const auto& [module, site] : {std::pair{"connector", kConnectorSite},
                                     {"projector", kProjector},
                                     {"vision_tower", kTowerSite}}) {
    auto settings = quick();
    settings.where.module = module;
    const auto all = contexts(settings);
    EXPECT_EQ(all.size(), 3) << "the picture and two altered copies";
    const auto found = value(settings, site);
    EXPECT_EQ(found.offset.size(0), std::string(module) == "vision_tower" ? 17 : 4) << module;
    EXPECT_NEAR(found.losses.back(), complete_loss(all, site, found.offset), 1e-4) << module;
    EXPECT_LT(found.losses.back(), found.losses.front()) << module;
  }
}

// The first step of Adam has the sign of the gradient: here, of finite differences.
TEST_F(OptimizeValueTest, GradientIsThatOfFiniteDifferences) {
  auto settings = quick();
  settings.steps = 1;
  settings.kl_factor = 0;
  settings.weight_decay = 0;
  settings.lr = 1e-3;
  const auto all = contexts(settings);
  const auto found = value(settings, kLanguageSite);
  int agree = 0, checked = 0;
  for (int64_t i = 0; i < found.offset.size(1); ++i) {
    auto probe = at::zeros_like(found.offset);
    probe[0][i] = 0.02;
    const double slope =
        complete_loss(all, kLanguageSite, probe) - complete_loss(all, kLanguageSite, -probe);
    if (std::abs(slope) < 1e-5) continue;
    ++checked;
    agree += (slope > 0) == (found.offset[0][i].item<double>() < 0);
  }
  EXPECT_GT(checked, 20);
  EXPECT_EQ(agree, checked);
}

TEST_F(OptimizeValueTest, OffsetIsClamped) {
  auto settings = quick();
  settings.clamp_norm_factor = 0.05;
  settings.lr = 1;
  const auto found = value(settings, kLanguageSite);
  EXPECT_TRUE(found.clamped);
  EXPECT_NEAR(found.relative_norm(), 0.05, 1e-5);
  settings.offset_scale = 2;
  EXPECT_NEAR(value(settings, kLanguageSite).relative_norm(), 0.1, 1e-5);
}

TEST_F(OptimizeValueTest, KlAndWeightDecayKeepTheOffsetSmall) {
  auto settings = quick();
  settings.lookup = "subject";
  settings.lr = 0.05;
  settings.clamp_norm_factor = 1e6;
  settings.kl_factor = settings.weight_decay = 0;
  const auto free = value(settings, kLanguageSite);
  settings.kl_factor = 1e3;
  EXPECT_LT(value(settings, kLanguageSite).offset.norm().item<double>(),
            free.offset.norm().item<double>());
  settings.kl_factor = 0;
  settings.weight_decay = 1e3;
  EXPECT_LT(value(settings, kLanguageSite).offset.norm().item<double>(),
            free.offset.norm().item<double>());
}

TEST_F(OptimizeValueTest, StopsWhenTheLossIsLow) {
  auto settings = quick();
  settings.steps = 400;
  settings.clamp_norm_factor = 20;
  settings.lr = 0.02;
  settings.lookup = "last";
  const auto start = complete_loss(contexts(settings), kLanguageSite, at::zeros({1, 32}));
  settings.stop_loss = start - 0.1;
  settings.weight_decay = 0;
  const auto found = value(settings, kLanguageSite);
  EXPECT_EQ(found.stop_reason, "stop_loss");
  EXPECT_LT(found.losses.size(), 400u);
  EXPECT_LT(found.losses.back(), start - 0.1);
  EXPECT_NEAR(found.losses.front(), start, 1e-4);
}

// Edits leave the batch at different steps, before or after their logits are sharpened.
TEST_F(OptimizeValueTest, EditsOfABatchHaveTheValuesOfSingleEdits) {
  auto settings = quick();
  settings.steps = 12;
  settings.stop_loss = 9.2;
  settings.clamp_norm_factor = 2;
  std::vector<EditContexts> edits;
  const auto add = [&](const std::string& prompt, const std::string& subject,
                       const std::string& target, bool picture) {
    EditRequest edit{{}, prompt, target};
    if (picture) edit.image = {"", testing::noise_image(2)};
    edit.subject = subject;
    edits.push_back(contexts(settings, edit));
  };
  add("Where is the red dog now?", "red dog", " at home", false);
  add("Who?", "Who", " a man", false);
  add("What is this?", "", " cat", true);
  add("The name of the large animal on the left is", "", " red", false);
  add("The color of the big house is", "big house", " blue and green", false);
  const auto& site = vlm_->model->site(kLanguageSite);
  std::set<std::string> reasons;
  std::set<size_t> lengths;
  for (bool adaptive : {false, true})
    for (int64_t together : {2, 8}) {
      settings.adaptive = adaptive;
      settings.value_batch = together;
      const auto values = optimize_values(*vlm_, edits, site, settings, {});
      ASSERT_EQ(values.size(), edits.size());
      for (size_t e = 0; e < edits.size(); ++e) {
        const auto alone = optimize_values(*vlm_, {edits[e]}, site, settings, {}).front();
        const auto& value = values[e];
        EXPECT_EQ(value.stop_reason, alone.stop_reason) << e;
        EXPECT_EQ(value.clamped, alone.clamped) << e;
        ASSERT_EQ(value.losses.size(), alone.losses.size()) << e;
        for (size_t i = 0; i < alone.losses.size(); ++i)
          EXPECT_NEAR(value.losses[i], alone.losses[i], 1e-3) << e << ", step " << i;
        EXPECT_LT((value.offset - alone.offset).norm().item<double>(),
                  1e-3 * alone.offset.norm().item<double>())
            << e;
        EXPECT_TRUE(at::allclose(value.output, alone.output, 1e-5, 1e-5)) << e;
        EXPECT_NEAR(value.losses.back(), complete_loss(edits[e], kLanguageSite, value.offset),
                    1e-4);
        reasons.insert(value.stop_reason);
        lengths.insert(value.losses.size());
      }
    }
  EXPECT_EQ(reasons.size(), 2u);
  EXPECT_GE(lengths.size(), 3u);
}

TEST_F(OptimizeValueTest, ModulesOfPicturesNeedAPicture) {
  auto settings = quick();
  settings.where.module = "projector";
  auto text_only = request();
  text_only.image = {};
  EXPECT_THROW(edit_contexts(*vlm_, text_only, settings, {}), Error);
}

}  // namespace
}  // namespace emend
