#include "editing/editors/lifelong/grace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "editing/patches/merge.h"
#include "editing/patches/patch_stack.h"
#include "editing/registry.h"
#include "editing/testing/tiny_vlm_test.h"
#include "io/error.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

class GraceTest : public testing::TinyVlmTest {
 protected:
  static EditRequest request(uint64_t picture, const std::string& target = " cat",
                             const std::string& prompt = "What is this?") {
    return {{"", picture > 0 ? testing::noise_image(picture) : nullptr}, prompt, target};
  }
  // The radius is so small that only the edited question matches.
  static Patch edited(const EditRequest& request, nlohmann::json more = nlohmann::json::object(),
                      const EditContext& context = {}) {
    nlohmann::json settings = {{"relative_eps", 1e-3}, {"steps", 60}};
    settings.update(more);
    return make_editor("grace", settings)->edit(*vlm_, {request}, context);
  }
  static Query query(const EditRequest& request) {
    Query query{{}, request.prompt};
    if (request.image.present()) query.image = request.image.load();
    return query;
  }
  // Teacher-forced logits of each request with its target.
  static std::vector<at::Tensor> logits(const std::vector<EditRequest>& requests,
                                        const Interventions& interventions) {
    at::NoGradGuard no_grad;
    std::vector<Query> queries;
    std::vector<std::string> targets;
    for (const auto& request : requests) {
      queries.push_back(query(request));
      targets.push_back(request.target);
    }
    std::vector<at::Tensor> all;
    for (const auto& row : teacher_force(*vlm_, queries, targets, interventions))
      all.push_back(row.logits);
    return all;
  }
};

TEST_F(GraceTest, EditHoldsAndOtherRowsKeepTheirBits) {
  const auto own = request(1);
  for (const char* replacement : {"prompt", "last", "all"}) {
    const auto patch = edited(own, {{"replacement", replacement}});
    EXPECT_LT(patch.effect["loss_after"], patch.effect["loss_before"]) << replacement;
    const std::vector<EditRequest> asked = {own, request(2), request(1, " cat", "Where is it?"),
                                            request(0, " dog")};
    const auto before = logits(asked, {}), after = logits(asked, patch.interventions(*vlm_));
    EXPECT_FALSE(at::equal(before[0], after[0])) << replacement;
    for (size_t i = 1; i < asked.size(); ++i)
      EXPECT_TRUE(at::equal(before[i], after[i])) << replacement << " " << i;
  }
}

TEST_F(GraceTest, GeneratesTheTargetInABatchOfQuestions) {
  const auto own = request(1, "c");
  const auto patch = edited(own, {{"steps", 100}, {"end_of_answer", false}});
  ASSERT_EQ(patch.effect["holds"], true);
  const std::vector<Query> asked = {query(request(2)), query(own),
                                    query(request(0, "", "A longer question, is it not?"))};
  GenerationOptions options;
  options.max_new_tokens = 8;
  const auto before = generate(*vlm_, asked, {}, options);
  const auto after = generate(*vlm_, asked, patch.interventions(*vlm_), options);
  EXPECT_EQ(after[0], before[0]);
  EXPECT_EQ(after[1].substr(0, 1), "c");
  EXPECT_EQ(after[2], before[2]);
}

// A question is matched once: the tokens that are generated one by one, with a cache, are those of
// one pass over the whole row.
TEST_F(GraceTest, GeneratedTokensAreThoseOfOnePass) {
  const auto own = request(1);
  for (const char* replacement : {"prompt", "last", "all"}) {
    const auto changes = edited(own, {{"replacement", replacement}}).interventions(*vlm_);
    Batch batch{vlm_->processor.pixels(own.image.load()).unsqueeze(0),
                {vlm_->processor.row(own.prompt, 0)}};
    GenerationOptions options;
    options.max_new_tokens = 6;
    const auto tokens = generate_tokens(*vlm_->model, batch, {}, changes, options).at(0);
    auto& row = batch.rows[0];
    row.prompt_length = static_cast<int64_t>(row.ids.size());
    row.ids.insert(row.ids.end(), tokens.begin(), tokens.end());
    auto pass = vlm_->model->collate(batch);
    vlm_->model->run(pass, changes);
    const auto best = pass.logits()[0].argmax(-1);
    for (size_t i = 0; i < tokens.size(); ++i)
      EXPECT_EQ(best[row.prompt_length - 1 + static_cast<int64_t>(i)].item<int64_t>(), tokens[i])
          << replacement << " " << i;
  }
}

TEST_F(GraceTest, RemovingAnEditLeavesTheOthersAsIfItHadNeverBeenThere) {
  // A radius that covers several questions, so that the edits limit each other.
  const nlohmann::json wide = {{"relative_eps", 3}, {"steps", 20}};
  const std::vector<EditRequest> requests = {request(1, " cat"), request(2, " dog"),
                                             request(3, " cat")};
  PatchStack all, without;
  std::vector<Patch> patches;
  for (const auto& one : requests) {
    EditContext context;
    context.base = all.interventions(*vlm_);
    patches.push_back(edited(one, wide, context));
    all.apply(*vlm_, patches.back());
  }
  without.apply(*vlm_, patches[0]);
  without.apply(*vlm_, patches[2]);
  const auto with = logits(requests, all.interventions(*vlm_));
  all.remove(patches[1].id);
  const auto left = logits(requests, all.interventions(*vlm_));
  const auto never = logits(requests, without.interventions(*vlm_));
  EXPECT_FALSE(at::equal(with[1], left[1]));
  for (size_t i = 0; i < requests.size(); ++i) EXPECT_TRUE(at::equal(left[i], never[i])) << i;
}

TEST_F(GraceTest, MergedPatchIsTheStack) {
  const auto first = edited(request(1)), second = edited(request(2, " dog"));
  PatchStack stack;
  stack.apply(*vlm_, first);
  stack.apply(*vlm_, second);
  const auto one = merged({first, second});
  EXPECT_EQ(one.memory.entries.size(), 2u);
  const std::vector<EditRequest> asked = {request(1), request(2)};
  const auto a = logits(asked, stack.interventions(*vlm_)),
             b = logits(asked, one.interventions(*vlm_));
  for (size_t i = 0; i < asked.size(); ++i) EXPECT_TRUE(at::equal(a[i], b[i]));
}

TEST_F(GraceTest, AWeightEditOnTopSeesTheCodebook) {
  EditContext context;
  context.base = edited(request(1)).interventions(*vlm_);
  // The value of this edit is optimized after a shared prefix, unless a codebook is applied.
  const auto patch = make_editor("rome", {{"statistics", "none"}, {"steps", 3}, {"prefixes", 0}})
                         ->edit(*vlm_, {request(1, " dog")}, context);
  const auto forced = logits({request(1, " dog")}, context.base)[0];
  EXPECT_TRUE(at::isfinite(forced).all().item<bool>());
  EXPECT_FALSE(patch.deltas.empty());
}

TEST_F(GraceTest, WrongLayersAreErrors) {
  EXPECT_THAT(error_of([&] {
                edited(request(1), {{"layers", "0,1"}});
              }),
              HasSubstr("a codebook is at one layer"));
  EXPECT_THAT(error_of([&] { edited(request(1), {{"layers", "9"}}); }), HasSubstr("layers '9'"));
  EXPECT_THAT(error_of([&] {
                edited(request(0), {{"module", "projector"}});
              }),
              HasSubstr("does not pass through"));
}

}  // namespace
}  // namespace emend
