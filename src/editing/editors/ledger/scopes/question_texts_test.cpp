#include "editing/editors/ledger/scopes/question_texts.h"

#include <gtest/gtest.h>

#include <limits>

#include "io/error.h"

namespace emend {
namespace {

TEST(QuestionTextsTest, SurviveTheDtypeOfACheckpoint) {
  const std::vector<std::string> texts = {"Who was Zoë?", "", "星 is in"};
  for (const auto dtype : {at::kFloat, at::kBFloat16})
    EXPECT_EQ(texts_of_bytes(text_bytes(texts).to(dtype), 3, "a file"), texts);
}

TEST(QuestionTextsTest, OtherTensorsAreRefused) {
  const auto bytes = text_bytes({"one", "two"});
  EXPECT_THROW(texts_of_bytes(bytes, 3, "a file"), Error);
  EXPECT_THROW(texts_of_bytes(bytes.flatten(), 2, "a file"), Error);
  EXPECT_THROW(texts_of_bytes(bytes + 200, 2, "a file"), Error);
  EXPECT_THROW(texts_of_bytes(bytes * std::numeric_limits<float>::quiet_NaN(), 2, "a file"), Error);
}

}  // namespace
}  // namespace emend
