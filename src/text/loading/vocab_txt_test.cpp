#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "text/loading/loaders.h"
#include "text/testing/messages.h"

namespace emend::text {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

class VocabTxt : public ::testing::Test {
 protected:
  VocabTxt() { write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\r\n[SEP]\n[MASK]\na\n##b\nA\né\n中\ne\n"); }
  void write(const char* name, const std::string& text) const {
    std::ofstream(folder_.file(name), std::ios::binary) << text;
  }
  void configure(const json& config) const { write("tokenizer_config.json", config.dump()); }
  std::unique_ptr<Tokenizer> load() const { return load_vocab_txt(folder_.path()); }
  std::vector<int64_t> encode(const std::string& text) const { return load()->encode(text, false); }
  std::string refusal() const {
    return error_of([&] { load(); });
  }

  TemporaryFolder folder_;
};

TEST_F(VocabTxt, HasOneTokenInEveryLine) {
  EXPECT_EQ(load()->size(), 11);
  EXPECT_EQ(load()->id("[CLS]"), 2);
  EXPECT_EQ(load()->id("e"), 10);
  write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n\na");  // an empty token, no last newline
  EXPECT_EQ(load()->id("a"), 6);
}

TEST_F(VocabTxt, MakesTheTokenizerOfBert) {
  EXPECT_THAT(load()->encode("Ab é[MASK]中中", true), ElementsAre(2, 5, 6, 10, 4, 9, 9, 3));
  EXPECT_EQ(load()->decode({2, 5, 6, 5, 3}, true), "ab a");
}

TEST_F(VocabTxt, ReadsTheSettingsOfTheNormalizer) {
  configure({{"do_lower_case", false}});
  EXPECT_THAT(encode("A é"), ElementsAre(7, 8));  // accents are kept as well
  configure({{"do_lower_case", false}, {"strip_accents", true}});
  EXPECT_THAT(encode("A é"), ElementsAre(7, 10));
  configure({{"strip_accents", false}});
  EXPECT_THAT(encode("A é"), ElementsAre(5, 8));
  configure({{"tokenize_chinese_chars", false}});
  EXPECT_THAT(encode("中 中中"), ElementsAre(9, 1));
}

TEST_F(VocabTxt, TakesOtherNamesOfTheSpecialTokens) {
  configure({{"unk_token", "e"}, {"cls_token", "a"}, {"sep_token", "é"}});
  EXPECT_THAT(load()->encode("x", true), ElementsAre(5, 10, 8));
  write("vocab.txt", "a\n");
  EXPECT_EQ(refusal(),
            "[text::word_piece] the unknown token 'e' is not in the vocabulary. Hint: add it to "
            "the vocabulary, or choose another unknown token");
}

TEST_F(VocabTxt, NamesTheLineThatIsWrong) {
  write("vocab.txt", "[UNK]\na\nb\na\n");
  EXPECT_EQ(refusal(), malformed_message(folder_.file("vocab.txt"), "line 4: 'a' occurs twice"));
  write("vocab.txt", "[UNK]\n\xff\n");
  EXPECT_EQ(refusal(), malformed_message(folder_.file("vocab.txt"), "is not UTF-8"));
}

TEST_F(VocabTxt, NamesOtherClasses) {
  configure({{"tokenizer_class", "DistilBertTokenizerFast"}});
  EXPECT_EQ(refusal(), "no error");
  configure({{"tokenizer_class", "BertJapaneseTokenizer"}});
  EXPECT_EQ(refusal(), not_implemented_message("tokenizer_class", "BertJapaneseTokenizer"));
}

}  // namespace
}  // namespace emend::text
