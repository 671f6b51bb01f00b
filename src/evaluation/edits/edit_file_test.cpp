#include "evaluation/edits/edit_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/error.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class EditFileTest : public ::testing::Test {
 protected:
  EditFileTest() {
    for (const char* name : {"a.png", "b.png"}) write_png(folder_ / name, *testing::noise_image(1));
  }
  std::string file(const std::string& text) {
    testing::write_text(folder_ / "edits.json", text);
    return folder_ / "edits.json";
  }
  std::string refusal(const std::string& text) {
    try {
      read_edit_file(file(text));
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("edits.json"));
      EXPECT_THAT(error.what(), HasSubstr("Hint: "));
      return error.what();
    }
    return "read";
  }
  TemporaryFolder folder_;
};

TEST_F(EditFileTest, ReadsEveryField) {
  const auto read = read_edit_file(file(R"([
    {"image": "a.png", "prompt": "What?", "target": 7, "rephrase": ["Which?", "What is it?"],
     "rephrase_images": ["b.png"], "locality": ["Who?", "Where? => Rome",
     {"image": "b.png", "prompt": "When?", "answer": "now"}],
     "follows": ["So? => yes", {"prompt": "And?", "answer": "no"}]},
    {"prompt": "Who?", "target": ["Tom"], "rephrase": "Which one?"}])"));
  ASSERT_EQ(read.edits.size(), 2u);
  const auto& first = read.edits[0];
  EXPECT_EQ(first.image.path, folder_ / "a.png");
  EXPECT_EQ(first.target, "7");
  EXPECT_THAT(first.rephrasings, ElementsAre("Which?", "What is it?"));
  ASSERT_EQ(first.other_pictures.size(), 1u);
  EXPECT_EQ(first.other_pictures[0].path, folder_ / "b.png");
  ASSERT_EQ(first.locality.size(), 3u);
  EXPECT_EQ(first.locality[0].answer, "");
  EXPECT_EQ(first.locality[1].answer, "Rome");
  EXPECT_EQ(first.locality[2].image.path, folder_ / "b.png");
  EXPECT_THAT(first.consequences, ElementsAre(std::pair("So?", "yes"), std::pair("And?", "no")));
  EXPECT_EQ(read.edits[1].target, "Tom");
  EXPECT_THAT(read.edits[1].rephrasings, ElementsAre("Which one?"));
  EXPECT_THAT(read.ignored, ElementsAre());
}

TEST_F(EditFileTest, ReadsMmeditFieldsAndListsUnknownFields) {
  const auto read = read_edit_file(file(
      R"({"src": "What?", "pred": "dog", "rephrase": "Which?", "alt": "cat", "image": "a.png",)"
      R"( "image_rephrase": "b.png", "loc": "nq question: who", "loc_ans": "Tom",)"
      R"( "m_loc": "b.png", "m_loc_q": "Where?", "m_loc_a": "Rome"})"
      "\n"
      R"({"src": "Who?", "alt": "Ann", "pred": "Tom", "subject": "x"})"));
  ASSERT_EQ(read.edits.size(), 2u);
  const auto& first = read.edits[0];
  EXPECT_EQ(first.prompt, "What?");
  EXPECT_EQ(first.target, "cat");
  ASSERT_EQ(first.locality.size(), 2u);
  EXPECT_EQ(first.locality[0].prompt, "nq question: who");
  EXPECT_EQ(first.locality[1].image.path, folder_ / "b.png");
  EXPECT_EQ(first.other_pictures.size(), 1u);
  EXPECT_EQ(read.edits[1].subject, "x");
  EXPECT_THAT(read.ignored, ElementsAre("pred"));
}

TEST_F(EditFileTest, RefusesInvalidEdits) {
  EXPECT_THAT(refusal(R"([{"prompt": "What?"}])"), HasSubstr("'target' is missing"));
  EXPECT_THAT(refusal(R"([{"prompt": "", "target": "x"}])"), HasSubstr("'prompt' is missing"));
  EXPECT_THAT(refusal(R"([{"prompt": "What?", "target": " \t"}])"),
              HasSubstr("'target' is missing or empty"));
  EXPECT_THAT(refusal(R"([{"prompt": "\n", "target": "x"}])"), HasSubstr("'prompt' is missing"));
  EXPECT_THAT(refusal(R"([{"prompt": "What?", "target": "x", "rephrase": ["Which?", " "]}])"),
              HasSubstr("'rephrase' contains an empty text"));
  EXPECT_THAT(refusal(R"([{"prompt": "What?", "target": "x", "locality": [{"prompt": " "}]}])"),
              HasSubstr("needs a 'prompt'"));
  EXPECT_THAT(refusal(R"([{"prompt": "What?", "target": "x", "follows": "So? =>  "}])"),
              HasSubstr("QUESTION => ANSWER"));
  EXPECT_THAT(refusal(R"(["What?"])"), HasSubstr("not an object"));
  EXPECT_THAT(refusal(R"([{"prompt": "a", "target": "b", "image": "c.png"}])"),
              HasSubstr("c.png' does not exist"));
  EXPECT_THAT(refusal(R"([{"prompt": "a", "src": "b", "target": "c"}])"), HasSubstr("'src'"));
  EXPECT_THAT(refusal(R"([{"prompt": "a", "target": {"b": 1}}])"), HasSubstr("is not a string"));
  EXPECT_THAT(refusal(R"([{"prompt": 5, "target": "b"}])"), HasSubstr("'prompt' is not a string"));
  EXPECT_THAT(refusal(R"([{"prompt": "a", "target": "b", "rephrase": ["c", 5]}])"),
              HasSubstr("'rephrase' is not a string"));
  EXPECT_THAT(refusal(R"([{"src": "a", "alt": "b", "m_loc_q": "Who?", "m_loc_a": "c"}])"),
              HasSubstr("'m_loc' is missing"));
  EXPECT_THAT(refusal(R"([{"src": "a", "alt": "b", "loc": [5], "loc_ans": "c"}])"),
              HasSubstr("'loc' is not a string"));
  EXPECT_THAT(refusal(R"([{"prompt": "a", "target": "b", "locality": [{"promt": "c"}]}])"),
              HasSubstr("needs a 'prompt'"));
  EXPECT_THAT(
      refusal(R"([{"prompt": "a", "target": "b", "locality": [{"prompt": "c", "anwser": "d"}]}])"),
      HasSubstr("'anwser'"));
  EXPECT_THAT(refusal(R"([{"prompt": "a", "target": "b", "follows": ["c"]}])"),
              HasSubstr("QUESTION => ANSWER"));
  EXPECT_THAT(refusal("{\"prompt\": \"a\", \"target\": \"b\"}\n{"), HasSubstr("line 2"));
}

TEST_F(EditFileTest, LeavesOutRepeatedEdits) {
  const auto read = read_edit_file(file(R"([{"prompt": "a", "target": "b", "image": "a.png"},
      {"prompt": "a", "target": "b", "image": "b.png"}, {"prompt": "a", "target": "b"},
      {"prompt": "a", "target": "b", "image": "./a.png", "rephrase": "c"}])"));
  EXPECT_EQ(read.edits.size(), 3u);
  EXPECT_THAT(read.repeated, ElementsAre(HasSubstr("(entry 4)")));
}

TEST_F(EditFileTest, RefusesTwoTargetsOfOneQuestion) {
  EXPECT_THAT(refusal(R"([{"prompt": "a", "target": "b"}, {"prompt": "a", "target": "c"}])"),
              HasSubstr("edits.json (entry 2): the target 'c' contradicts the target 'b' of "));
  EXPECT_THAT(refusal(R"([{"prompt": "a", "target": "b", "image": "a.png"},
                          {"prompt": "a", "target": "c", "image": "./a.png"}])"),
              HasSubstr("contradicts"));
  EXPECT_EQ(refusal(R"([{"prompt": "a", "target": "b"}, {"prompt": "a", "target": "B"},
                        {"prompt": "a", "target": "c", "image": "a.png"},
                        {"prompt": "a", "target": "d", "image": "b.png"}])"),
            "read");
}

TEST_F(EditFileTest, AnswersCanBeNumbersAndBlankFieldsAreAbsent) {
  const auto read = read_edit_file(file(R"([
    {"src": "a", "alt": [7], "rephrase": " ", "loc": "\t", "loc_ans": "d", "subject": "",
     "m_loc": "b.png", "m_loc_q": " ", "m_loc_a": 3, "follows": [{"prompt": "e", "answer": 8}]},
    {"src": "f", "prompt": " ", "alt": "b", "loc": "c", "loc_ans": 1994}])"));
  ASSERT_EQ(read.edits.size(), 2u);
  EXPECT_EQ(read.edits[0].target, "7");
  EXPECT_TRUE(read.edits[0].rephrasings.empty());
  EXPECT_TRUE(read.edits[0].locality.empty());
  EXPECT_THAT(read.edits[0].consequences, ElementsAre(std::pair("e", "8")));
  ASSERT_EQ(read.edits[1].locality.size(), 1u);
  EXPECT_EQ(read.edits[1].locality[0].answer, "1994");
}

TEST_F(EditFileTest, ReadsLocalityQuestions) {
  const auto read = read_locality_file(file(R"("Who?"
{"prompt": "Where?", "answer": "Rome", "image": "a.png"})"));
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[0].prompt, "Who?");
  EXPECT_EQ(read[1].answer, "Rome");
  EXPECT_TRUE(read[1].image.present());
}

}  // namespace
}  // namespace emend
