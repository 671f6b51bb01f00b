#include "text/pipeline/added_tokens.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "text/testing/messages.h"

namespace emend::text {
namespace {

AddedToken raw_token(const std::string& content, int64_t id) {
  AddedToken token;
  token.content = content;
  token.id = id;
  return token;
}

// The parts of a text in order: "<ab>" is an added token, "[ab]" is text, and "^" is at the start.
std::string split_of(const AddedTokens& tokens, const std::string& text) {
  std::string shown;
  for (const auto& part : tokens.split(text)) {
    if (part.first && part.id < 0) shown += "^";
    shown += (part.id < 0 ? "[" : "<") + part.text + (part.id < 0 ? "]" : ">");
  }
  return shown;
}

std::string split_at_ab(AddedToken flags, const std::string& text) {
  flags.content = "ab";
  flags.id = 1;
  return split_of(AddedTokens({flags}, {}), text);
}

Normalizer replaces(const char* from, const char* to) {
  return make_normalizer({{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}});
}

// The expected parts are those of Hugging Face tokenizers.
TEST(AddedTokens, AreTheLeftmostAndLongestMatches) {
  const AddedTokens tokens({raw_token("ab", 1), raw_token("abc", 2), raw_token("bcd", 3)}, {});
  EXPECT_EQ(split_of(tokens, "xabcd"), "^[x]<abc>[d]");
  EXPECT_EQ(split_of(tokens, "xbcd ab"), "^[x]<bcd>[ ]<ab>");
  EXPECT_EQ(split_of(tokens, "abab"), "<ab><ab>");
  EXPECT_EQ(split_of(tokens, ""), "");
}

TEST(AddedTokens, HaveTheirIds) {
  const AddedTokens tokens({raw_token("ab", 7), raw_token("c", 9)}, {});
  const auto parts = tokens.split("cxab");
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[0].id, 9);
  EXPECT_EQ(parts[1].id, -1);
  EXPECT_EQ(parts[2].id, 7);
}

TEST(AddedTokens, OfSingleWordsAreNotMatchedInsideWords) {
  AddedToken flags;
  flags.single_word = true;
  EXPECT_EQ(split_at_ab(flags, "x ab"), "^[x ]<ab>");
  EXPECT_EQ(split_at_ab(flags, "ab."), "<ab>[.]");
  EXPECT_EQ(split_at_ab(flags, "ab\u00bd"), "<ab>[\u00bd]");  // a number, but not a digit
  for (const char* text :
       {"xab", "abx", "éab", "_ab", "1ab", "abab", "ab\u0301", "ab\u200d", "ab\u24b6"})
    EXPECT_EQ(split_at_ab(flags, text), "^[" + std::string(text) + "]");
}

TEST(AddedTokens, TakeWhiteSpaceOnTheirLeft) {
  AddedToken flags;
  flags.lstrip = true;
  EXPECT_EQ(split_at_ab(flags, "x  ab \n y"), "^[x]<  ab>[ \n y]");
  EXPECT_EQ(split_at_ab(flags, "ab \u3000 ab"), "<ab>< \u3000 ab>");
}

TEST(AddedTokens, TakeWhiteSpaceOnTheirRight) {
  AddedToken flags;
  flags.rstrip = true;
  EXPECT_EQ(split_at_ab(flags, "x  ab \n y"), "^[x  ]<ab \n >[y]");
  flags.lstrip = true;
  EXPECT_EQ(split_at_ab(flags, "x ab  ab y"), "^[x]< ab  ><ab >[y]");  // space is taken once
}

TEST(AddedTokens, AreMatchedInTheOriginalOrInTheNormalizedText) {
  const auto normalizer = replaces("q", "ab");
  auto token = raw_token("ab", 1);
  EXPECT_EQ(split_of(AddedTokens({token}, normalizer), "q ab"), "^[ab ]<ab>");
  token.normalized = true;
  EXPECT_EQ(split_of(AddedTokens({token}, normalizer), "q ab"), "<ab>[ ]<ab>");
  token.content = "q";  // normalized to "ab"
  EXPECT_EQ(split_of(AddedTokens({token}, normalizer), "q ab"), "<ab>[ ]<ab>");
}

TEST(AddedTokens, OfTheOriginalTextAreMatchedFirst) {
  auto normalized = raw_token("ab", 2);
  normalized.normalized = true;
  const AddedTokens tokens({raw_token("q", 1), normalized}, replaces("q", "ab"));
  EXPECT_EQ(split_of(tokens, "xqxab"), "^[x]<q>[x]<ab>");
}

TEST(AddedTokens, SeparateTextsThatAreNormalizedOneByOne) {
  const AddedTokens tokens({raw_token("<s>", 1)},
                           make_normalizer({{"type", "Prepend"}, {"prepend", "_"}}));
  EXPECT_EQ(split_of(tokens, "a<s>b"), "^[_a]<<s>>[_b]");
  EXPECT_EQ(split_of(tokens, "<s>b"), "<<s>>[_b]");
}

TEST(AddedTokens, AreFoundByContentAndById) {
  const AddedTokens tokens({raw_token("ab", 7)}, {});
  ASSERT_TRUE(tokens.find("ab"));
  EXPECT_EQ(tokens.find("ab")->id, 7);
  ASSERT_TRUE(tokens.find(7));
  EXPECT_EQ(tokens.find(7)->content, "ab");
  EXPECT_EQ(tokens.find("a"), nullptr);
  EXPECT_EQ(tokens.find(8), nullptr);
}

TEST(AddedTokens, NameTheOneThatIsWrong) {
  const auto refusal = [](const std::vector<AddedToken>& tokens) {
    return error_of([&] { AddedTokens(tokens, {}); });
  };
  EXPECT_EQ(refusal({raw_token("", 5)}),
            "[text::added_tokens] added token 5 is empty. Hint: give it a non-empty text, or "
            "remove it");
  EXPECT_EQ(refusal({raw_token("a", 5), raw_token("a", 6)}),
            "[text::added_tokens] added token 'a' (ID 6) occurs twice. Hint: remove one of them");
  EXPECT_EQ(refusal({raw_token("a", 5), raw_token("b", 5)}),
            "[text::added_tokens] added token 'b' (ID 5) occurs twice. Hint: remove one of them");
}

// The vocabulary has three tokens, and "b" has the ID 1.
std::vector<AddedToken> numbered_added(std::vector<AddedToken> added) {
  return with_ids(std::move(added), 3, [](const std::string& token) {
    return token == "b" ? std::optional<int64_t>(1) : std::nullopt;
  });
}

TEST(AddedTokens, HaveTheIdsOfTheVocabularyOrTheNextFreeOnes) {
  const auto added = numbered_added({raw_token("x", -1), raw_token("b", -1), raw_token("y", 4)});
  EXPECT_EQ(added[0].id, 3);
  EXPECT_EQ(added[1].id, 1);
  EXPECT_EQ(added[2].id, 4);
}

TEST(AddedTokens, NameTheOneWhoseIdDoesNotFollow) {
  EXPECT_EQ(error_of([] { numbered_added({raw_token("x", 4)}); }),
            "[text::tokenizer] added token 'x' has the ID 4, but 3 was expected. Hint: the "
            "vocabulary and the added tokens must come from the same tokenizer");
  EXPECT_EQ(error_of([] { numbered_added({raw_token("b", 3)}); }),
            "[text::tokenizer] added token 'b' has the ID 3, but 1 was expected. Hint: the "
            "vocabulary and the added tokens must come from the same tokenizer");
}

}  // namespace
}  // namespace emend::text
