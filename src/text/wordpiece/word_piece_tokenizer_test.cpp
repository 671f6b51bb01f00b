// Tests which WordPiece folders are accepted and refused, and edge cases of encode and decode;
// fixture_test.cpp compares with Hugging Face.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "io/error.h"
#include "io/json/json.h"
#include "text/tokenizer.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;

const char* const kTokens[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a",  "##b",
                               "ab",    "##c",   "!",     "é",     "do",     "not"};

Json tiny_word_piece() {
  Json vocabulary = Json::object(), added = Json::array();
  int64_t id = 0;
  for (const char* token : kTokens) {
    if (id < 5)
      added.push_back({{"id", id}, {"content", token}, {"special", true}, {"normalized", false}});
    vocabulary[token] = id++;
  }
  return {{"added_tokens", added},
          {"normalizer", {{"type", "BertNormalizer"}, {"lowercase", true}}},
          {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
          {"post_processor",
           {{"type", "BertProcessing"}, {"sep", {"[SEP]", 3}}, {"cls", {"[CLS]", 2}}}},
          {"decoder", {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}}},
          {"model", {{"type", "WordPiece"}, {"unk_token", "[UNK]"}, {"vocab", vocabulary}}}};
}

class WordPieceFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    path_ = fs::path(::testing::TempDir()) / (std::string("emend_word_piece_") + test->name());
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  void TearDown() override { fs::remove_all(path_); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
  }
  std::unique_ptr<Tokenizer> load() const { return Tokenizer::load(path_.string()); }
  std::unique_ptr<Tokenizer> load(const Json& spec) const {
    write("tokenizer.json", spec.dump());
    return load();
  }
  std::string refusal(const std::function<void(Json&)>& change) const {
    auto spec = tiny_word_piece();
    change(spec);
    try {
      load(spec);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  void write_vocabulary() const {
    std::string lines;
    for (const char* token : kTokens) lines += std::string(token) + "\n";
    write("vocab.txt", lines);
  }

  fs::path path_;
};

TEST_F(WordPieceFolder, TakesTheLongestTokenFirst) {
  const auto tokenizer = load(tiny_word_piece());
  EXPECT_EQ(tokenizer->size(), 13);
  EXPECT_THAT(tokenizer->encode("AB abc ac", true), ElementsAre(2, 7, 7, 8, 5, 8, 3));
  // If the rest of a word has no token, the whole word is unknown.
  EXPECT_THAT(tokenizer->encode("abd!ab", false), ElementsAre(1, 9, 7));
  EXPECT_THAT(tokenizer->encode("", true), ElementsAre(2, 3));
  EXPECT_THAT(tokenizer->encode(" \t\n", false), ElementsAre());
  EXPECT_THAT(tokenizer->encode("ab[MASK]c", false), ElementsAre(7, 4, 1));
  EXPECT_THAT(tokenizer->encode(std::string(101, 'a'), false), ElementsAre(1));
  EXPECT_EQ(tokenizer->decode({2, 7, 8, 9, 11, 12, 3}, true), "abc! do not");
  EXPECT_EQ(tokenizer->decode({2, 7, 3}, false), "[CLS] ab [SEP]");
  EXPECT_EQ(tokenizer->id("##b"), 6);
  EXPECT_EQ(tokenizer->token(6), "##b");
  EXPECT_THROW(tokenizer->token(13), Error);
  EXPECT_THROW(tokenizer->encode("\xff", false), Error);
}

// As decoders.WordPiece of Hugging Face tokenizers.
TEST_F(WordPieceFolder, CleansUpEachPieceWhenDecoding) {
  auto spec = tiny_word_piece();
  for (const char* token : {"do not", "a ' b"})
    spec["added_tokens"].push_back(
        {{"id", spec["added_tokens"].size() + 8}, {"content", token}, {"normalized", false}});
  EXPECT_EQ(load(spec)->decode({5, 13, 8, 9, 14}, true), "a don'tc! a'b");
  spec["decoder"]["cleanup"] = false;
  EXPECT_EQ(load(spec)->decode({5, 13, 8, 9, 14}, true), "a do notc ! a ' b");
}

TEST_F(WordPieceFolder, IsTheSameFromVocabTxt) {
  const auto from_json = load(tiny_word_piece());
  fs::remove(path_ / "tokenizer.json");
  write_vocabulary();
  const auto tokenizer = load();
  for (const char* text : {"AB abc", "É é!", "a[MASK]b", "do not"}) {
    EXPECT_EQ(tokenizer->encode(text, true), from_json->encode(text, true)) << text;
    EXPECT_EQ(tokenizer->encode(text, false), from_json->encode(text, false)) << text;
  }
  // Accents are removed unless strip_accents is false; cased models keep case and accents.
  EXPECT_THAT(tokenizer->encode("é", false), ElementsAre(1));
  write("tokenizer_config.json", R"({"strip_accents": false})");
  EXPECT_THAT(load()->encode("É", false), ElementsAre(10));
  write("tokenizer_config.json", R"({"do_lower_case": false})");
  EXPECT_THAT(load()->encode("É é AB ab", false), ElementsAre(1, 10, 1, 7));
}

TEST_F(WordPieceFolder, NamesWhatIsNotImplemented) {
  EXPECT_EQ(refusal([](Json&) {}), "no error");
  EXPECT_THAT(refusal([](Json& spec) { spec["normalizer"]["type"] = "NFKC"; }), HasSubstr("NFKC"));
  EXPECT_THAT(refusal([](Json& spec) { spec["pre_tokenizer"]["type"] = "Whitespace"; }),
              HasSubstr("pre_tokenizer 'Whitespace'"));
  EXPECT_THAT(refusal([](Json& spec) { spec["decoder"]["type"] = "CTC"; }), HasSubstr("'CTC'"));
  EXPECT_THAT(refusal([](Json& spec) { spec["post_processor"]["type"] = "Other"; }),
              HasSubstr("'Other'"));
  EXPECT_THAT(refusal([](Json& spec) { spec["model"]["unk_token"] = "?"; }), HasSubstr("'?'"));
  EXPECT_THAT(refusal([](Json& spec) { spec["model"]["vocab"]["x"] = 3; }),
              HasSubstr("'[SEP]' and 'x' share the ID 3"));
  EXPECT_THAT(refusal([](Json& spec) { spec["added_tokens"][0]["id"] = 7; }), HasSubstr("[PAD]"));
  EXPECT_THAT(refusal([](Json& spec) { spec["post_processor"]["cls"][1] = 99; }), HasSubstr("99"));
}

TEST_F(WordPieceFolder, NamesDamagedVocabularyLines) {
  const auto message = [&] {
    try {
      load();
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  write("vocab.txt", "[PAD]\n[UNK]\na\na\n");
  EXPECT_THAT(message(), HasSubstr("line 4: 'a' occurs twice"));
  write("vocab.txt", "[PAD]\n");
  EXPECT_THAT(message(), HasSubstr("'[UNK]'"));
  write("vocab.txt", "[UNK]\n\xff\n");
  EXPECT_THAT(message(), HasSubstr("UTF-8"));
  write_vocabulary();
  write("tokenizer_config.json", R"({"tokenizer_class": "BertJapaneseTokenizer"})");
  EXPECT_THAT(message(), HasSubstr("BertJapaneseTokenizer"));
}

}  // namespace
}  // namespace emend
