#include "evaluation/edits/earlier_edits.h"

#include <gmock/gmock.h>

#include "editing/testing/every_editor.h"
#include "evaluation/edits/edit_job.h"
#include "evaluation/testing/tiny_record.h"

namespace emend {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class EarlierEditsTest : public TinyVlmTest {
 protected:
  static EditRequest question(const std::string& prompt, const std::string& target,
                              const std::string& picture = "") {
    return {{picture, nullptr}, prompt, target};
  }
  static Patch edited(const std::vector<EditRequest>& requests) {
    return make_editor("ft", {{"lr", 0.02}, {"steps", 200}})->edit(vlm(), requests);
  }
};

TEST_F(EarlierEditsTest, ReadsTheRequestsOfEveryPatch) {
  Patch one, two, odd;
  one.id = "1";
  one.request = {{"image", ""}, {"prompt", "Who?"}, {"target", " cat"}};
  two.id = "2";
  two.request = {{{"image", ""}, {"prompt", "What?"}, {"target", " dog"}},
                 {{"image", ""}, {"prompt", "Where?"}, {"target", " sea"}}};
  odd.id = "3";
  odd.request = {{"prompt", 7}};
  const auto edits = earlier_edits({one, two, odd});
  ASSERT_EQ(edits.size(), 4u);
  EXPECT_EQ(edits[0].patch, "1");
  EXPECT_EQ(edits[1].prompt, "What?");
  EXPECT_EQ(edits[2].patch, "2");
  EXPECT_EQ(edits[2].target, " sea");
  EXPECT_EQ(edits[2].problem, "");
  EXPECT_THAT(edits[3].problem, HasSubstr("does not store its prompt and target"));
  EXPECT_FALSE(to_json(edits[3]).contains("holds"));
}

TEST_F(EarlierEditsTest, AnswersAreThoseOfSeparateQuestions) {
  TemporaryFolder folder;
  write_png(folder / "a.png", *testing::noise_image(1));
  const auto patch =
      edited({question("Who?", " cat"), question("What?", " dog", folder / "a.png")});
  auto gone = patch;
  gone.request[1]["image"] = folder / "none.png";
  auto edits = earlier_edits({gone, patch});
  edits.erase(edits.begin() + 2);
  const auto changes = patch.interventions(vlm());
  const auto answers = ask_again(vlm(), edits, changes, nullptr);
  EXPECT_THAT(edits[1].problem, HasSubstr("none.png"));
  EXPECT_THAT(edits[1].problem, Not(HasSubstr("[")));
  const auto alone = [&](const Query& query) { return generate(vlm(), {query}, changes).at(0); };
  EXPECT_EQ(answers[0], alone({std::nullopt, "Who?"}));
  EXPECT_EQ(answers[1], "");
  EXPECT_EQ(answers[2], alone({*testing::noise_image(1), "What?"}));
  EXPECT_NE(answers[2], alone({std::nullopt, "What?"}));
}

// The new edit is about another question. Its strength decides whether the earlier edit survives.
TEST_F(EarlierEditsTest, JobFindsTheEditsThatNoLongerHold) {
  PatchStack base;
  base.apply(vlm(), edited({question("Who?", " cat")}));
  const auto run = [&](const std::string& prompt, int64_t steps) {
    EditJob job;
    const auto editor = make_editor("ft", {{"lr", 0.02}, {"steps", steps}});
    job.editor = editor.get();
    job.base = &base;
    Protocol protocol;
    protocol.question_template = "{}";
    protocol.generate_answers = false;
    EditQuestion question;
    question.prompt = prompt;
    question.target = "dog";
    job.edits = {{question, protocol}};
    return run_edits(vlm(), job);
  };
  const auto untouched = run("What?", 0);
  ASSERT_EQ(untouched.earlier.size(), 1u);
  const auto& kept = untouched.earlier[0];
  EXPECT_EQ(kept.before, "cat");
  EXPECT_EQ(kept.after, "cat");
  EXPECT_TRUE(kept.held && kept.holds);
  EXPECT_FALSE(kept.lost() || kept.replaced);

  const auto outcome = run("Whom?", 200);
  const auto& lost = outcome.earlier.at(0);
  EXPECT_EQ(lost.before, "cat");
  EXPECT_NE(lost.after, "cat");
  EXPECT_TRUE(lost.lost());
  PatchStack both = base;
  both.apply(vlm(), outcome.patch);
  EXPECT_EQ(lost.after, generate(vlm(), {{std::nullopt, "Who?"}}, both.interventions(vlm())).at(0));
  EXPECT_EQ(to_json(lost)["lost"], true);

  const auto& replaced = run("Who?", 200).earlier.at(0);
  EXPECT_EQ(replaced.after, "dog");
  EXPECT_TRUE(replaced.replaced);
  EXPECT_FALSE(replaced.lost());
}

TEST_F(EarlierEditsTest, EntriesThatTheNewEditSupersedesAreReplaced) {
  std::filesystem::create_directories(vlm().folder + "/editors");
  testing::write_trained_editor(editor_info("ledger"), vlm(), "");
  const auto replaced = [&](double supersede) {
    const auto editor =
        make_editor("ledger", {{"risk", 1}, {"change", "none"}, {"supersede", supersede}});
    PatchStack base;
    base.apply(vlm(), editor->edit(vlm(), {question("Who?", " cat")}));
    EditJob job;
    job.editor = editor.get();
    job.base = &base;
    EditQuestion another;
    another.prompt = "What?";
    another.target = "dog";
    job.edits = {{another, Protocol()}};
    return run_edits(vlm(), job).earlier.at(0).replaced;
  };
  EXPECT_TRUE(replaced(1e6));
  EXPECT_FALSE(replaced(0));
}

}  // namespace
}  // namespace emend
