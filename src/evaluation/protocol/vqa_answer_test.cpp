#include <gtest/gtest.h>

#include "evaluation/protocol/metrics.h"

namespace emend {
namespace {

TEST(VqaAnswerTest, NormalizesAnswers) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"A Red  star.", "red star"},
      {"the", "the"},  // kept, because it would equal an empty answer
      {"an apple and a pear", "apple and pear"},
      {"Two dogs", "2 dogs"},
      {"none", "0"},
      {"ten", "10"},
      {"eleven", "eleven"},
      {"dont know", "don't know"},
      {"don't know", "don't know"},
      {"don\u2019t know", "don't know"},
      {"its red", "its red"},  // a different word
      {"girl's", "girl's"},
      {"10:30", "10:30"},
      {"100,978", "100978"},
      {"red, green", "red green"},
      {"2.5", "2.5"},
      {"2.5.", "2.5"},
      {"St. Louis", "st louis"},
      {"U.S.A.", "usa"},
      {".5", ".5"},
      {"t-shirt", "t shirt"},
      {"yes!", "yes"},
      {"(left)/right?", "left right"},
      {"\"stop\"", "stop"},
      {"$5", "$5"},
      {"caf\u00e9", "caf\u00e9"},
      {"  \t\n", ""},
      {"", ""},
  };
  for (const auto& [answer, expected] : cases) {
    EXPECT_EQ(vqa_normalized(answer), expected) << answer;
    EXPECT_EQ(vqa_normalized(expected), expected) << answer;  // normalization is idempotent
  }
}

TEST(VqaAnswerTest, SameAnswer) {
  EXPECT_TRUE(vqa_same_answer("a star", "The star!"));
  EXPECT_TRUE(vqa_same_answer("three", "3"));
  EXPECT_FALSE(vqa_same_answer("a", "the"));
  EXPECT_FALSE(vqa_same_answer("red", "red star"));
  EXPECT_FALSE(same_answer("three", "3"));  // the plain comparison is stricter
}

}  // namespace
}  // namespace emend
