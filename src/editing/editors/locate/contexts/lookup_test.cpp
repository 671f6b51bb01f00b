#include "editing/editors/locate/contexts/lookup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "editing/editors/locate/contexts/context_templates.h"
#include "editing/testing/tiny_vlm_test.h"
#include "editing/training/forced.h"
#include "io/error.h"
#include "io/testing.h"

namespace emend {
namespace {

using ::testing::ElementsAre;

class LookupTest : public testing::TinyVlmTest {
 protected:
  static EditRequest request() {
    EditRequest request{{"", testing::noise_image(1)}, "Where is the red dog now?", " at home"};
    request.subject = "red dog";
    return request;
  }
  static std::vector<int64_t> positions(const EditRequest& request, const std::string& lookup,
                                        bool end_of_answer) {
    return lookup_positions(*vlm_, request, lookup, force_edits(*vlm_, {request}, end_of_answer));
  }
  // The text of the token at a distance from the end of the teacher-forced row.
  static std::string token(const EditRequest& request, int64_t distance,
                           bool end_of_answer = true) {
    const auto row = force_edits(*vlm_, {request}, end_of_answer).batch.rows.front();
    const auto id = row.ids[row.ids.size() - static_cast<size_t>(distance)];
    return id == kImageToken ? "<image>" : vlm_->processor.tokenizer->decode({id}, false);
  }
};

TEST_F(LookupTest, SubjectIsItsLastToken) {
  const auto lookup = positions(request(), "subject", true);
  ASSERT_EQ(lookup.size(), 1u);
  EXPECT_TRUE(std::string(" red dog").ends_with(token(request(), lookup[0])))
      << token(request(), lookup[0]);
  auto text_only = request();
  text_only.image = {};
  EXPECT_EQ(lookup, positions(text_only, "auto", true));
  EXPECT_EQ(lookup, positions(request(), "constraint", true));
}

TEST_F(LookupTest, WholeWordsAreFoundFirst) {
  auto words = request();
  words.prompt = "Is the category of a cat known?";
  words.subject = "cat";
  const auto forced = force_edits(*vlm_, {words}, true).batch.rows.front();
  const auto row = vlm_->processor.row(words.prompt);
  const auto last = last_token_of(*vlm_, row, "cat");
  const auto text = vlm_->processor.tokenizer->decode({row.ids.begin(), row.ids.begin() + last + 1},
                                                      /*skip_special=*/true);
  EXPECT_TRUE(text.ends_with("a cat")) << text;
}

TEST_F(LookupTest, LastIsTheLastTokenOfThePrompt) {
  auto plain = request();
  plain.subject.clear();
  const auto lookup = positions(plain, "last", true);
  ASSERT_EQ(lookup.size(), 1u);
  const auto forced = force_edits(*vlm_, {plain}, true);
  EXPECT_EQ(lookup[0],
            static_cast<int64_t>(forced.batch.rows[0].ids.size()) - forced.answer_begin[0] + 1);
}

TEST_F(LookupTest, AnswerIsEveryPositionThatPredictsAToken) {
  for (const bool end : {false, true}) {
    const auto lookup = positions(request(), "answer", end);
    const auto size = force_edits(*vlm_, {request()}, end).answers[0].size();
    ASSERT_EQ(lookup.size(), size);
    EXPECT_EQ(lookup.back(), 2);
    EXPECT_EQ(lookup.front(), static_cast<int64_t>(size) + 1);
    EXPECT_EQ(positions(request(), "auto", end), lookup);
    auto plain = request();
    plain.image = {};
    plain.subject.clear();
    EXPECT_EQ(positions(plain, "auto", end), lookup);
  }
}

TEST_F(LookupTest, LastImageIsTheLastImageToken) {
  const auto lookup = positions(request(), "last_image", true);
  ASSERT_EQ(lookup.size(), 1u);
  EXPECT_EQ(token(request(), lookup[0]), "<image>");
  EXPECT_NE(token(request(), lookup[0] - 1), "<image>");
  auto text_only = request();
  text_only.image = {};
  EXPECT_THROW(positions(text_only, "last_image", true), Error);
}

TEST_F(LookupTest, RefusesASubjectThatIsNotInThePrompt) {
  auto other = request();
  other.subject = "blue whale";
  EXPECT_THROW(positions(other, "subject", true), Error);
  other.subject.clear();
  EXPECT_THROW(positions(other, "subject", true), Error);
}

TEST_F(LookupTest, PrefixesKeepTheDistanceFromTheEnd) {
  const auto lookup = positions(request(), "subject", true);
  const auto prefixes = generated_prefixes(*vlm_, 2, 4, 1);
  ASSERT_EQ(prefixes.size(), 2u);
  EXPECT_TRUE(prefixes[0].starts_with("The")) << prefixes[0];
  EXPECT_TRUE(prefixes[1].starts_with("Therefore")) << prefixes[1];
  EXPECT_EQ(prefixes, generated_prefixes(*vlm_, 2, 4, 1));
  const auto longer = with_prefix(*vlm_, request(), prefixes[0]);
  EXPECT_EQ(longer.prompt, prefixes[0] + request().prompt);
  EXPECT_EQ(token(longer, lookup[0]), token(request(), lookup[0]));
}

TEST_F(LookupTest, PrefixesAreWithinTheTemplate) {
  Vlm templated = load_vlm(folder_->path());
  auto& layout = templated.processor.layout;
  layout.with_picture = "USER: {} ASSISTANT:";
  auto wrapped = request();
  wrapped.prompt = "USER: Where is it? ASSISTANT:";
  EXPECT_EQ(with_prefix(templated, wrapped, "I am. ").prompt,
            "USER: I am. Where is it? ASSISTANT:");
}

TEST_F(LookupTest, AlteredPicturesKeepTheSizeAndDependOnTheSeed) {
  const auto altered = with_altered_pictures(request(), 3, 5);
  ASSERT_EQ(altered.size(), 3u);
  const auto original = request().image.load();
  for (const auto& one : altered) {
    const auto picture = one.image.load();
    EXPECT_EQ(picture.width, original.width);
    EXPECT_EQ(picture.height, original.height);
    EXPECT_NE(picture.rgb, original.rgb);
  }
  EXPECT_EQ(altered[2].image.load().rgb,
            with_altered_pictures(request(), 3, 5)[2].image.load().rgb);
  EXPECT_NE(altered[2].image.load().rgb,
            with_altered_pictures(request(), 3, 6)[2].image.load().rgb);
  auto text_only = request();
  text_only.image = {};
  EXPECT_TRUE(with_altered_pictures(text_only, 3, 5).empty());
}

}  // namespace
}  // namespace emend
