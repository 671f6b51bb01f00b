#include "editing/editors/liveedit/liveedit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "editing/editors/liveedit/memory.h"
#include "editing/patches/merge.h"
#include "editing/patches/patch_stack.h"
#include "editing/registry.h"
#include "editing/testing/tiny_vlm_test.h"
#include "editing/training/checkpoint.h"
#include "editing/training/forced.h"
#include "editing/training/trainer.h"
#include "io/error.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

class LiveEditTest : public testing::TinyVlmTest {
 protected:
  static void SetUpTestSuite() {
    TinyVlmTest::SetUpTestSuite();
    auto trainable = make_trainable_editor(
        "liveedit", *vlm_, {{"module_dim", 16}, {"heads", 2}, {"rank", 2}, {"scale", 0.2}},
        nullptr);
    save_checkpoint(file(), {"liveedit", vlm_->fingerprint(), trainable->settings(),
                             {{"steps", 0}}, trainable->tensors()});
  }
  static std::string file() { return *folder_ / "liveedit.safetensors"; }
  static Picture picture(int number) {
    return {"", testing::noise_image(static_cast<uint64_t>(number))};
  }
  static EditRequest request(int number = 1, const std::string& target = " a") {
    return {picture(number), "What is this?", target};
  }
  static Patch edited(const std::vector<EditRequest>& requests, nlohmann::json settings = {}) {
    settings["checkpoint"] = file();
    auto patch = make_editor("liveedit", settings)->edit(*vlm_, requests);
    for (size_t i = 0; i < requests.size(); ++i) route_by_hand(patch, i, requests[i]);
    patch.id = patch_id(patch);
    return patch;
  }
  // The routing feature of a question's picture, for the networks of a patch: (1, n, D).
  static at::Tensor picture_feature(const Patch& patch, const TargetQuery& query) {
    at::NoGradGuard no_grad;
    LiveEditState state(*vlm_->model,
                        read_settings<LiveEditConfig>("liveedit", patch.memory.reading));
    copy_tensors(patch.memory.network, state.router.parameters(), "liveedit", "the patch");
    auto pass = vlm_->model->collate(force(*vlm_, {query}, /*end_of_answer=*/false).batch);
    vlm_->model->run(pass, state.stage);
    return state.router.features().picture(QuestionStates::of(pass, pass.hidden));
  }
  // An untrained network does not tell pictures apart. This gives an entry a picture whose
  // similarity is high for the question of the edit, and low for an unrelated one.
  static void route_by_hand(Patch& patch, size_t entry, const EditRequest& edit) {
    const auto near = picture_feature(patch, {edit.image, edit.prompt, edit.target});
    const auto far = picture_feature(patch, {picture(25), "Where?", " here"});
    const auto dot = [](const at::Tensor& a, const at::Tensor& b) {
      return (a * b).sum().item<double>();
    };
    const auto apart = near - far * (dot(near, far) / dot(far, far));  // orthogonal to `far`
    const auto kept = apart - far * (dot(apart, apart) / 2 / std::abs(dot(near, far)));
    patch.memory.entries[entry].tensors["picture"] =
        at::mul(kept, 1e6 / dot(apart, apart)).squeeze(0);
  }
  // Logits of the answers of questions, in one batch.
  static std::vector<at::Tensor> logits(const std::vector<Query>& queries,
                                        const Interventions& interventions) {
    at::NoGradGuard no_grad;
    std::vector<at::Tensor> all;
    for (const auto& row : teacher_force(
             *vlm_, queries, std::vector<std::string>(queries.size(), " cat"), interventions))
      all.push_back(row.logits);
    return all;
  }
  static Query query(int number, const std::string& text = "What is this?") {
    return {*testing::noise_image(static_cast<uint64_t>(number)), text};
  }
};

TEST_F(LiveEditTest, RowsWithoutExpertsKeepTheirBits) {
  const auto patch = edited({request(1)});
  const std::vector<Query> queries = {
      query(1), query(25, "Where?"), {{}, "What is this?"}, query(1)};
  const auto before = logits(queries, {}), after = logits(queries, patch.interventions(*vlm_));
  EXPECT_FALSE(at::equal(after[0], before[0]));
  EXPECT_TRUE(at::equal(after[1], before[1]));
  EXPECT_TRUE(at::equal(after[2], before[2]));
  EXPECT_FALSE(at::equal(after[3], before[3]));
  EXPECT_TRUE(patch.effect["experts"].is_array());
  EXPECT_TRUE(patch.effect.contains("holds"));
}

TEST_F(LiveEditTest, OrderOfEntriesDoesNotMatterAndRemovalIsExact) {
  const auto one = edited({request(1)}), two = edited({request(2, " b")});
  const auto three = edited({request(3, " x")}, {{"hard_routing", false}});
  const auto all = [](const Patch& patch) {
    return at::cat(logits({query(1), query(2), query(25)}, patch.interventions(*vlm_)));
  };
  const auto both = merged({one, two});
  EXPECT_TRUE(at::equal(all(both), all(merged({two, one}))));
  EXPECT_TRUE(at::equal(all(without_entry(both, two.memory.entries.front().name)), all(one)));
  EXPECT_THROW(merged({one, three}), Error);  // another routing
  PatchStack stack;
  for (const auto& patch : {one, two}) stack.apply(*vlm_, patch);
  EXPECT_TRUE(at::equal(at::cat(logits({query(1)}, stack.interventions(*vlm_))),
                        at::cat(logits({query(1)}, both.interventions(*vlm_)))));
}

TEST_F(LiveEditTest, GenerationKeepsTheRouteOfThePrompt) {
  const auto patch = edited({request(1), request(2, " b")});
  const auto interventions = patch.interventions(*vlm_);
  GenerationOptions options;
  options.max_new_tokens = 6;
  Batch batch;
  std::vector<at::Tensor> pixels;
  for (const auto& [number, prompt] : {std::pair{1, "What is this?"},
                                       std::pair{25, "Where on earth?"},
                                       std::pair{2, "What is this?"}}) {
    batch.rows.push_back(vlm_->processor.row(prompt, static_cast<int64_t>(pixels.size())));
    pixels.push_back(vlm_->processor.pixels(*testing::noise_image(static_cast<uint64_t>(number))));
  }
  batch.pixels = at::stack(pixels);
  const auto answers = generate_tokens(*vlm_->model, batch, {}, interventions, options);
  // Without a cache, each token is computed from the whole row.
  at::NoGradGuard no_grad;
  for (size_t r = 0; r < answers.size(); ++r) {
    auto row = batch.rows[r];
    row.prompt_length = static_cast<int64_t>(row.ids.size());
    row.ids.insert(row.ids.end(), answers[r].begin(), answers[r].end());
    auto pass = vlm_->model->collate({batch.pixels, {row}});
    vlm_->model->run(pass, interventions);
    const auto best = pass.logits()[0].argmax(-1);
    for (size_t t = 0; t < answers[r].size(); ++t)
      EXPECT_EQ(best[row.prompt_length - 1 + static_cast<int64_t>(t)].item<int64_t>(),
                answers[r][t])
          << r << " " << t;
  }
}

TEST_F(LiveEditTest, RoutingCanBeSwitchedOff) {
  const auto one = edited({request(1)}, {{"hard_routing", false}});
  const auto before = logits({query(25, "Where?")}, {});
  EXPECT_FALSE(at::equal(logits({query(25, "Where?")}, one.interventions(*vlm_))[0], before[0]));
  const auto similarity = at::tensor({1.0f, -2.0f, 3.0f}).unsqueeze(0);
  const auto kept = at::tensor({1, 0, 1}).to(at::kBool).unsqueeze(0);
  const auto equal = expert_weights(similarity, kept, /*soft=*/false);
  EXPECT_TRUE(at::equal(equal, at::tensor({0.5f, 0.0f, 0.5f}).unsqueeze(0)));
  EXPECT_TRUE(at::equal(expert_weights(similarity, at::zeros_like(kept)), at::zeros({1, 3})));
}

TEST_F(LiveEditTest, RefusesEditsWithoutPicturesAndDamagedMemories) {
  EXPECT_THAT(error_of([] { edited({{{}, "Where?", " here"}}); }), HasSubstr("has no image"));
  auto patch = edited({request(1)});
  patch.memory.entries[0].tensors["up"] = at::zeros({2, 3});
  EXPECT_THAT(error_of([&] { patch.interventions(*vlm_); }), HasSubstr("'up'"));
  const auto state = [](const nlohmann::json& given) {
    return error_of([&] {
      LiveEditState(*vlm_->model, read_settings<LiveEditConfig>("liveedit", given));
    });
  };
  EXPECT_THAT(state({{"layer", 3}}), HasSubstr("has 3 blocks"));
  EXPECT_THAT(state({{"heads", 3}}), HasSubstr("heads"));
}

TEST_F(LiveEditTest, DefaultLayerIsAtTheDepthOfThePublishedOne) {
  const auto& model = *vlm_->model;
  EXPECT_EQ(model.stages()[expert_stage(model, {})].name, "language.block.1");  // of 3
  LiveEditConfig config;
  config.layer = 0;
  EXPECT_EQ(model.stages()[expert_stage(model, config)].name, "language.block.0");
}

}  // namespace
}  // namespace emend
