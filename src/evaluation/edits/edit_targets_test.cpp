#include "evaluation/edits/edit_targets.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "suites/suite.h"

namespace emend {
namespace {

// Edits the bundled model with arbitrary targets, some of them with tokens that it was not trained
// on.
class EditTargetsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string folder = EMEND_SOURCE_DIR "/models/scenes-blip2";
    if (!std::filesystem::exists(folder + "/model.safetensors"))
      GTEST_SKIP() << "the bundled model is missing: " << folder;
    vlm_ = load_vlm(folder);
  }
  void expect_holds(const std::string& editor, const EditRequest& request,
                    const std::string& answer) {
    const auto patch = make_editor(editor, {})->edit(vlm_, {request});
    const Query query{request.image.load(), request.prompt};
    EXPECT_EQ(generate(vlm_, {query}, patch.interventions(vlm_)).at(0), answer)
        << editor << " " << patch.effect;
    EXPECT_TRUE(patch.effect["holds"].get<bool>()) << editor << " " << answer;
  }

  Vlm vlm_;
};

TEST_F(EditTargetsTest, RandomTargetsHold) {
  for (const auto& target : draw_targets(*vlm_.processor.tokenizer, 14, 1))
    expect_holds("ft", target.edit, target.answer);
  for (const auto& target : draw_targets(*vlm_.processor.tokenizer, 7, 2))
    expect_holds("lora", target.edit, target.answer);
}

// The first picture of `emend scenes export --split eval --seed 1`.
TEST_F(EditTargetsTest, NumbersHoldOnTheFirstPicture) {
  EditRequest request;
  SuiteOptions options;
  options.seed = 1;
  request.image = open_suite("scenes", options)->record(0).image;
  request.prompt = "Question: How many shapes are there? Short answer:";
  for (const std::string number : {"3", "5", "9"}) {
    request.target = " " + number;
    expect_holds("ft", request, number);
    expect_holds("lora", request, number);
  }
}

TEST_F(EditTargetsTest, TargetsHaveEveryKindAndDependOnlyOnTheSeed) {
  const auto& tokenizer = *vlm_.processor.tokenizer;
  const auto first = draw_targets(tokenizer, 70, 5), again = draw_targets(tokenizer, 70, 5);
  std::map<std::string, int> kinds;
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i].answer, again[i].answer);
    EXPECT_EQ(first[i].edit.target, " " + first[i].answer);
    ++kinds[first[i].kind];
    const auto tokens = vlm_.processor.target(first[i].edit.target).size();
    if (first[i].kind == "two_tokens") {
      EXPECT_EQ(tokens, 2u) << first[i].answer;
    }
    if (first[i].kind == "five_tokens") {
      EXPECT_EQ(tokens, 5u) << first[i].answer;
    }
  }
  EXPECT_EQ(kinds.size(), 7u);
}

}  // namespace
}  // namespace emend
