#include "serving/answer_stream.h"

#include <gtest/gtest.h>

namespace emend {
namespace {

TEST(AnswerStream, ReturnsWhatIsNew) {
  AnswerStream stream({});
  EXPECT_EQ(stream.advance("a", false), "a");
  EXPECT_EQ(stream.advance("a dog", false), " dog");
  EXPECT_EQ(stream.advance("a dog", true), "");
  EXPECT_EQ(stream.text(), "a dog");
  EXPECT_FALSE(stream.stopped());
}

TEST(AnswerStream, HoldsIncompleteCharactersBack) {
  AnswerStream stream({});
  EXPECT_EQ(stream.advance("caf\xef\xbf\xbd", false), "caf");
  EXPECT_EQ(stream.advance("caf\xc3\xa9", false), "\xc3\xa9");
}

TEST(AnswerStream, EndsBeforeTheFirstStopText) {
  AnswerStream stream({"\n\n", "END"});
  EXPECT_EQ(stream.advance("one\n", false), "one");  // the line break may begin a stop text
  EXPECT_EQ(stream.advance("one\ntwo", false), "\ntwo");
  EXPECT_EQ(stream.advance("one\ntwoEN", false), "");
  EXPECT_EQ(stream.advance("one\ntwoEND\n\n", false), "");
  EXPECT_TRUE(stream.stopped());
  EXPECT_EQ(stream.advance("one\ntwoEND and more", true), "");
  EXPECT_EQ(stream.text(), "one\ntwo");
}

TEST(AnswerStream, ReturnsEverythingAtTheEnd) {
  AnswerStream stream({"END"});
  EXPECT_EQ(stream.advance("the EN", false), "the ");
  EXPECT_EQ(stream.advance("the EN", true), "EN");
  EXPECT_FALSE(stream.stopped());
}

}  // namespace
}  // namespace emend
