#include "text/pipeline/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emend::text {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Prepend = MetaspacePreTokenizer::Prepend;

std::vector<std::string> parts(const PreTokenizer& step, const std::string& text) {
  std::vector<Piece> pieces{{text, true}};
  step.apply(pieces);
  std::vector<std::string> texts;
  for (const auto& piece : pieces) texts.push_back(piece.text);
  return texts;
}

// Which pieces are at the start of the text: '^' or '-'.
std::string starts(const PreTokenizer& step, std::vector<Piece> pieces) {
  step.apply(pieces);
  std::string marks;
  for (const auto& piece : pieces) marks += piece.first ? '^' : '-';
  return marks;
}

std::vector<std::string> split_at(const char* pattern, SplitBehavior behavior, bool invert,
                                  const char* text) {
  return parts(SplitPreTokenizer(Regex(pattern), behavior, invert), text);
}

// The expected pieces are those of Hugging Face tokenizers.
TEST(SplitPreTokenizer, RemovesMatches) {
  EXPECT_THAT(split_at("b", SplitBehavior::removed, false, "bxabbac"), ElementsAre("xa", "ac"));
  EXPECT_THAT(split_at("b", SplitBehavior::removed, true, "bxabbac"), ElementsAre("b", "b", "b"));
  EXPECT_THAT(split_at("b", SplitBehavior::removed, false, "b"), IsEmpty());
}

TEST(SplitPreTokenizer, IsolatesMatches) {
  for (const bool invert : {false, true})
    EXPECT_THAT(split_at("b", SplitBehavior::isolated, invert, "bxabbac"),
                ElementsAre("b", "xa", "b", "b", "ac"));
}

TEST(SplitPreTokenizer, MergesMatchesWithThePreviousPiece) {
  EXPECT_THAT(split_at("b", SplitBehavior::merged_with_previous, false, "bxabbac"),
              ElementsAre("b", "xab", "b", "ac"));
  EXPECT_THAT(split_at("b", SplitBehavior::merged_with_previous, true, "bxabbac"),
              ElementsAre("bxa", "b", "bac"));
}

TEST(SplitPreTokenizer, MergesMatchesWithTheNextPiece) {
  EXPECT_THAT(split_at("b", SplitBehavior::merged_with_next, false, "bxabbac"),
              ElementsAre("bxa", "b", "bac"));
  EXPECT_THAT(split_at("b", SplitBehavior::merged_with_next, true, "bxabbac"),
              ElementsAre("b", "xab", "b", "ac"));
}

TEST(SplitPreTokenizer, JoinsNeighboringMatches) {
  for (const bool invert : {false, true})
    EXPECT_THAT(split_at("b", SplitBehavior::contiguous, invert, "bxabbac"),
                ElementsAre("b", "xa", "bb", "ac"));
}

TEST(SplitPreTokenizer, SkipsEmptyMatches) {
  EXPECT_THAT(split_at("x*", SplitBehavior::isolated, false, "éxx星"),
              ElementsAre("é", "xx", "星"));
  EXPECT_THAT(split_at("x*", SplitBehavior::merged_with_previous, false, "éxx星"),
              ElementsAre("éxx", "星"));
  EXPECT_THAT(split_at("x*", SplitBehavior::merged_with_next, false, "éxx星"),
              ElementsAre("é", "xx星"));
  EXPECT_THAT(split_at("x*", SplitBehavior::removed, true, "éxx星"), ElementsAre("xx"));
}

TEST(SplitPreTokenizer, MarksOnlyThePieceAtTheStart) {
  const SplitPreTokenizer isolated(Regex("b"), SplitBehavior::isolated, false);
  EXPECT_EQ(starts(isolated, {{"ab", true}, {"b", false}}), "^--");
  const SplitPreTokenizer removed(Regex("b"), SplitBehavior::removed, false);
  EXPECT_EQ(starts(removed, {{"ba", true}}), "-");
}

TEST(ByteLevelPreTokenizer, SplitsWordsAsGpt2) {
  const ByteLevelPreTokenizer step(false, true);
  EXPECT_THAT(parts(step, "it's é  12ab!"), ElementsAre("it", "'s", "ĠÃ©", "Ġ", "Ġ12", "ab", "!"));
  EXPECT_THAT(parts(step, "We'll  go\n\n on 3rd!? x   "),
              ElementsAre("We", "'ll", "Ġ", "Ġgo", "ĊĊ", "Ġon", "Ġ3", "rd", "!?", "Ġx", "ĠĠĠ"));
}

TEST(ByteLevelPreTokenizer, AddsASpaceBeforeTextsWithoutOne) {
  EXPECT_THAT(parts(ByteLevelPreTokenizer(true, true), "it's"), ElementsAre("Ġit", "'s"));
  EXPECT_THAT(parts(ByteLevelPreTokenizer(true, true), " x"), ElementsAre("Ġx"));
  std::vector<Piece> pieces{{"a", true}, {"1", false}};
  ByteLevelPreTokenizer(true, false).apply(pieces);
  EXPECT_EQ(pieces[0].text + "|" + pieces[1].text, "Ġa|Ġ1");
}

TEST(ByteLevelPreTokenizer, KeepsPiecesWithoutTheRegex) {
  EXPECT_THAT(parts(ByteLevelPreTokenizer(false, false), "it's é  12ab!"),
              ElementsAre("it'sĠÃ©ĠĠ12ab!"));
}

std::vector<std::string> metaspace(Prepend prepend, bool split, const char* text) {
  return parts(MetaspacePreTokenizer("▁", prepend, split), text);
}

TEST(MetaspacePreTokenizer, SplitsBeforeEachSpace) {
  EXPECT_THAT(metaspace(Prepend::never, true, "a  b c"), ElementsAre("a", "▁", "▁b", "▁c"));
  EXPECT_THAT(metaspace(Prepend::never, false, "a  b c"), ElementsAre("a▁▁b▁c"));
}

TEST(MetaspacePreTokenizer, PrependsItsReplacementOnce) {
  EXPECT_THAT(metaspace(Prepend::always, true, "a b"), ElementsAre("▁a", "▁b"));
  EXPECT_THAT(metaspace(Prepend::always, true, " a"), ElementsAre("▁a"));
  EXPECT_THAT(metaspace(Prepend::first, false, "a b"), ElementsAre("▁a▁b"));
  EXPECT_THAT(metaspace(Prepend::never, true, " a"), ElementsAre("▁a"));
}

TEST(MetaspacePreTokenizer, PrependsToTheFirstPieceOrToAll) {
  const auto joined = [](Prepend prepend) {
    std::vector<Piece> pieces{{"a", true}, {" ", false}, {"b", false}};
    MetaspacePreTokenizer("▁", prepend, true).apply(pieces);
    return pieces[0].text + "|" + pieces[1].text + "|" + pieces[2].text;
  };
  EXPECT_EQ(joined(Prepend::first), "▁a|▁|b");
  EXPECT_EQ(joined(Prepend::always), "▁a|▁|▁b");
  EXPECT_EQ(joined(Prepend::never), "a|▁|b");
}

TEST(MetaspacePreTokenizer, MarksOnlyThePieceAtTheStart) {
  EXPECT_EQ(
      starts(MetaspacePreTokenizer("▁", Prepend::always, true), {{"a b", true}, {"c", false}}),
      "^--");
}

TEST(SequencePreTokenizer, AppliesItsStepsInOrder) {
  const auto sequence = [](bool bytes_first) {
    std::vector<std::unique_ptr<PreTokenizer>> steps;
    steps.push_back(
        std::make_unique<SplitPreTokenizer>(Regex("é"), SplitBehavior::isolated, false));
    steps.push_back(std::make_unique<ByteLevelPreTokenizer>(false, false));
    if (bytes_first) std::swap(steps[0], steps[1]);
    return parts(SequencePreTokenizer(std::move(steps)), "aé");
  };
  EXPECT_THAT(sequence(false), ElementsAre("a", "Ã©"));
  EXPECT_THAT(sequence(true), ElementsAre("aÃ©"));
}

}  // namespace
}  // namespace emend::text
