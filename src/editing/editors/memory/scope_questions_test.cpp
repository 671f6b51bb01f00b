#include "editing/editors/memory/scope_questions.h"

#include <gtest/gtest.h>

#include <map>

#include "editing/editors/memory/language_sites.h"
#include "editing/testing/tiny_vlm_test.h"

namespace emend {
namespace {

constexpr const char* kPrefix = "New Fact: {prompt}{target}\nPrompt:";

class ReadingLocalityTest : public testing::TinyVlmTest {
 protected:
  // Always the same object for one number, because pictures of a batch are compared by identity.
  static const std::shared_ptr<const Image>& image(uint64_t number) {
    static std::map<uint64_t, std::shared_ptr<const Image>> images;
    auto& found = images[number];
    if (!found) found = testing::noise_image(number);
    return found;
  }
  static TargetQuery question(uint64_t picture, const std::string& prompt,
                              const std::string& target) {
    return {{"", image(picture)}, prompt, target};
  }
  static EditExample example(uint64_t picture, std::vector<TargetQuery> image_locality) {
    EditExample example;
    example.edit = {{"", image(picture)}, "What is this?", " a cat"};
    example.image_locality = std::move(image_locality);
    return example;
  }
  // A change of the language module that is not 0.
  static LowRankChange random_change() {
    LowRankChange change(counterfactual_sites(*vlm_->model, ""), 2, 1, vlm_->model->device());
    at::NoGradGuard no_grad;
    at::manual_seed(3);
    for (auto& [name, tensor] : change.parameters()) tensor.copy_(at::randn_like(tensor) * 0.2);
    return change;
  }
  static at::Tensor loss(const LowRankChange& change, const std::vector<EditExample>& examples,
                         int64_t answers = 0) {
    const auto all = ScopeQuestions::of(examples, 0, /*pictures=*/true);
    const auto forced = force(*vlm_, all.queries, /*end_of_answer=*/true);
    return reading_locality_loss(*vlm_, change, kPrefix, all, forced,
                                 get_image_features(*vlm_, forced.batch.pixels, nullptr), answers);
  }
  static at::Tensor answer_logp(const TargetQuery& query, const Interventions& changes) {
    at::NoGradGuard no_grad;
    const auto forced = force(*vlm_, {query}, /*end_of_answer=*/true);
    auto pass = vlm_->model->collate(forced.batch);
    pass.logit_positions = answer_positions(forced);
    vlm_->model->run(pass, changes);
    return at::log_softmax(pass.logits(), -1, at::kFloat);
  }
};

TEST_F(ReadingLocalityTest, IsTheDivergenceOfQuestionsAboutTheEditsPicture) {
  const auto change = random_change();
  const auto first = question(1, "Where?", " here"), second = question(1, "Which color?", " red");
  const std::vector<EditExample> examples = {
      example(1, {question(7, "Where?", " there"), first, second}),
      example(2, {question(8, "Who?", " me")})};
  double expected = 0;
  for (const auto& query : {first, second}) {
    auto read = query;
    read.prompt = filled_edit_prefix(kPrefix, "What is this?", " a cat") + query.prompt;
    const auto before = answer_logp(query, {});
    const auto after = answer_logp(read, change.interventions());
    expected += (before.exp() * (before - after)).sum(-1).mean().item<double>() / 2;
  }
  EXPECT_GT(expected, 0.01);
  EXPECT_NEAR(loss(change, examples).item<double>(), expected, 1e-4 * expected);
}

TEST_F(ReadingLocalityTest, IsZeroWithoutQuestionsAboutTheEditsPicture) {
  EXPECT_EQ(loss(random_change(), {example(1, {question(7, "Where?", " there")})}).item<double>(),
            0);
}

TEST_F(ReadingLocalityTest, UsesAtMostSomeQuestionsOfAnExample) {
  const auto change = random_change();
  const auto first = question(1, "Where?", " here"), second = question(1, "Which color?", " red");
  EXPECT_EQ(loss(change, {example(1, {first, second})}, 1).item<double>(),
            loss(change, {example(1, {first})}).item<double>());
}

TEST_F(ReadingLocalityTest, TrainsTheChange) {
  auto change = random_change();
  loss(change, {example(1, {question(1, "Where?", " here")})}).backward();
  for (const auto& [name, tensor] : change.parameters())
    EXPECT_GT(tensor.grad().abs().max().item<double>(), 0) << name;
}

}  // namespace
}  // namespace emend
