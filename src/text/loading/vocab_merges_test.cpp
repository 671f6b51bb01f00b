#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "text/loading/loaders.h"
#include "text/testing/messages.h"

namespace emend::text {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

class VocabMerges : public ::testing::Test {
 protected:
  VocabMerges() {
    write("vocab.json", R"({"a": 0, "b": 1, "Ġ": 2, "ab": 3, "Ġab": 4, "Ã": 5, "©": 6, "Ã©": 7,
                            "e": 8, "1": 9, "11": 10, "<|endoftext|>": 11, "Ì": 12, "ģ": 13})");
    write("merges.txt", "#version: 0.2\na b\nĠ ab\nÃ ©\n1 1\n");
  }
  void write(const char* name, const std::string& text) const {
    std::ofstream(folder_.file(name), std::ios::binary) << text;
  }
  void configure(const json& config) const { write("tokenizer_config.json", config.dump()); }
  std::unique_ptr<Tokenizer> load() const { return load_vocab_merges(folder_.path()); }
  std::vector<int64_t> encode(const std::string& text) const { return load()->encode(text, true); }
  std::string refusal() const {
    return error_of([&] { load(); });
  }

  TemporaryFolder folder_;
};

TEST_F(VocabMerges, MakeTheTokenizerOfGpt2) {
  EXPECT_THAT(encode("ab ab11e\u0301"), ElementsAre(3, 4, 10, 8, 12, 13));
  EXPECT_EQ(load()->decode({3, 4, 7}), "ab abé");
  EXPECT_THAT(encode("a<|endoftext|>"), ElementsAre(0, 11));
  EXPECT_EQ(load()->decode({0, 11}), "a");  // a special token by default
}

TEST_F(VocabMerges, MakeTheTokenizerOfQwen2) {
  configure({{"tokenizer_class", "Qwen2TokenizerFast"}});
  // NFC, and every digit by itself.
  EXPECT_THAT(encode("ab ab11e\u0301"), ElementsAre(3, 4, 9, 9, 7));
}

TEST_F(VocabMerges, AddASpaceBeforeTheTextIfConfigured) {
  configure({{"add_prefix_space", true}});
  EXPECT_THAT(encode("ab"), ElementsAre(4));
}

TEST_F(VocabMerges, AddBosAndEosIfConfigured) {
  configure({{"add_bos_token", true}, {"bos_token", "e"}});
  EXPECT_THAT(encode("ab"), ElementsAre(8, 3));
  configure({{"add_eos_token", true}, {"eos_token", "<e>"}});
  EXPECT_THAT(encode("ab"), ElementsAre(3, 14));  // the next free ID
  configure({{"add_bos_token", true}, {"bos_token", nullptr}});
  EXPECT_EQ(refusal(), malformed_message("tokenizer_config.json",
                                         "it enables bos_token but does not define the token"));
}

TEST_F(VocabMerges, ReadMergesWithEveryLineEnd) {
  write("merges.txt", "#version: 0.2\r\na b\r\n#version\nĠ ab");
  EXPECT_THAT(encode("ab ab"), ElementsAre(3, 4));
}

TEST_F(VocabMerges, NameOtherClasses) {
  configure({{"tokenizer_class", "RobertaTokenizer"}});
  EXPECT_EQ(refusal(), not_implemented_message("tokenizer_class", "RobertaTokenizer"));
}

TEST_F(VocabMerges, NameTheLineThatIsWrong) {
  write("merges.txt", "#version: 0.2\na b\na\n");
  EXPECT_EQ(refusal(),
            malformed_message(folder_.file("merges.txt"), "merge 2 'a' is not two tokens"));
  write("merges.txt", "a b\n\n");
  EXPECT_EQ(refusal(),
            malformed_message(folder_.file("merges.txt"), "merge 2 '' is not two tokens"));
  write("merges.txt", "");
  write("vocab.json", R"({"a": "0"})");
  EXPECT_EQ(refusal(), malformed_message(folder_.file("vocab.json"),
                                         "the ID of 'a' should be an integer of at least 0"));
}

TEST_F(VocabMerges, NameAFileThatCannotBeOpened) {
  std::filesystem::remove(folder_.file("merges.txt"));
  EXPECT_EQ(refusal(), fmt::format("[text::tokenizer] '{}' cannot be opened. Hint: check the path "
                                   "and its permissions",
                                   folder_.file("merges.txt")));
}

}  // namespace
}  // namespace emend::text
