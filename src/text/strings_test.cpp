#include "text/strings.h"

#include <gtest/gtest.h>

namespace emend::text {
namespace {

TEST(Strings, ReplaceEveryOccurrence) {
  EXPECT_EQ(replace_all("banana", "a", ""), "bnn");
  EXPECT_EQ(replace_all("aaaaa", "aa", "b"), "bba");
  EXPECT_EQ(replace_all("aba", "a", "aa"), "aabaa");
  EXPECT_EQ(replace_all("", "a", "b"), "");
  EXPECT_EQ(replace_all("abc", "x", "y"), "abc");
}

// As clean_up_tokenization in transformers.
TEST(Strings, CleanUpSpacesBeforePunctuationAndContractions) {
  EXPECT_EQ(clean_up_tokenization("a . b ? c ! d , e"), "a. b? c! d, e");
  EXPECT_EQ(clean_up_tokenization("it 's , I 'm , they 've , we 're , do n't"),
            "it's, I'm, they've, we're, don't");
  EXPECT_EQ(clean_up_tokenization("a ' b"), "a'b");
  EXPECT_EQ(clean_up_tokenization("do not : ;"), "do not : ;");
  EXPECT_EQ(clean_up_tokenization(" ' s"), "'s");
}

TEST(Strings, FindsWholeWords) {
  EXPECT_EQ(find_whole_words("Lyons and Lyon", "Lyon"), 10u);
  EXPECT_EQ(find_whole_words("in Lyon.", "Lyon"), 3u);
  EXPECT_EQ(find_whole_words("Lyons", "Lyon"), std::string::npos);
  EXPECT_EQ(find_whole_words("\u00e9Lyon", "Lyon"), std::string::npos);
  EXPECT_EQ(find_whole_words("Where?no", "?"), 5u);
  EXPECT_EQ(find_whole_words("", "Lyon"), std::string::npos);
  EXPECT_EQ(find_whole_words("Bay is in", "Bay"), 0u);
  EXPECT_EQ(find_whole_words("The twin city of Bay, which", "Bay"), 17u);
  EXPECT_EQ(find_whole_words("Bayern and Bay", "Bay"), 11u);
  EXPECT_EQ(find_whole_words("Who is J. R.?", "J. R."), 7u);
  EXPECT_EQ(find_whole_words("In Maloye Baydavletovo", "Bay"), std::string::npos);
  EXPECT_EQ(find_whole_words("Bombay is in", "bay"), std::string::npos);
  EXPECT_EQ(find_whole_words("Bay\u00e9 is in", "Bay"), std::string::npos);
}

}  // namespace
}  // namespace emend::text
