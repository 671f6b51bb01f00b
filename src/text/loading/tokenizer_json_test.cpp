// tokenizer_test.cpp tests the parts together.
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

class TokenizerJson : public ::testing::Test {
 protected:
  std::vector<int64_t> encode(const std::string& text) const { return load()->encode(text, true); }
  std::unique_ptr<Tokenizer> load() const {
    std::ofstream(folder_.file("tokenizer.json")) << spec_.dump();
    return load_tokenizer_json(folder_.file("tokenizer.json"));
  }
  std::string refusal() const {
    return error_of([&] { load(); });
  }
  // The refusal of a model with another value of a field.
  std::string refusal_with(const char* field, const json& value) {
    const auto sound = spec_;
    spec_["model"][field] = value;
    auto message = refusal();
    spec_ = sound;
    return message;
  }

  json spec_ = {{"decoder", {{"type", "Fuse"}}},
                {"model",
                 {{"type", "BPE"},
                  {"vocab", {{"a", 0}, {"b", 1}, {"ab", 2}, {"aba", 3}, {"?", 4}}},
                  {"merges", {"a b", "ab a"}}}}};
  TemporaryFolder folder_;
};

TEST_F(TokenizerJson, ReadsBothFormsOfMerges) {
  EXPECT_THAT(encode("abab"), ElementsAre(2, 2));
  EXPECT_THAT(encode("aba"), ElementsAre(3));
  spec_["model"]["merges"] = json::array({json::array({"a", "b"}), json::array({"ab", "a"})});
  EXPECT_THAT(encode("aba"), ElementsAre(3));
  spec_["model"]["merges"] = json::array();
  EXPECT_THAT(encode("ab"), ElementsAre(0, 1));
}

TEST_F(TokenizerJson, TakesModelsWithMergesForBpe) {
  spec_["model"].erase("type");
  EXPECT_THAT(encode("ab"), ElementsAre(2));
  spec_["model"].erase("merges");
  EXPECT_EQ(refusal(), malformed_message("model", "'type' should be a string, not null"));
}

TEST_F(TokenizerJson, ReadsTheOptionsOfBpe) {
  EXPECT_THAT(encode("xyab"), ElementsAre(2));
  spec_["model"]["unk_token"] = "?";
  EXPECT_THAT(encode("xyab"), ElementsAre(4, 4, 2));
  spec_["model"]["fuse_unk"] = true;
  EXPECT_THAT(encode("xyab"), ElementsAre(4, 2));
  spec_["model"]["merges"] = json::array();
  spec_["model"]["ignore_merges"] = true;
  EXPECT_THAT(encode("aba"), ElementsAre(3));
  spec_["model"]["byte_fallback"] = true;
  spec_["model"]["vocab"]["<0x78>"] = 5;
  EXPECT_THAT(encode("x"), ElementsAre(5));
}

TEST_F(TokenizerJson, ReadsEveryPart) {
  spec_["normalizer"] = {{"type", "Prepend"}, {"prepend", "a"}};
  spec_["pre_tokenizer"] = {
      {"type", "Split"}, {"pattern", {{"String", "b"}}}, {"behavior", "MergedWithNext"}};
  spec_["added_tokens"] = {{{"content", "<s>"}, {"id", 5}, {"special", true}}};
  spec_["post_processor"] = {{"type", "BertProcessing"}, {"cls", {"<s>", 5}}, {"sep", {"?", 4}}};
  const auto tokenizer = load();
  EXPECT_THAT(tokenizer->encode("ab<s>b", true), ElementsAre(5, 0, 0, 1, 5, 0, 1, 4));
  EXPECT_EQ(tokenizer->decode({5, 3, 4}), "aba?");
  EXPECT_EQ(tokenizer->size(), 6);
}

TEST_F(TokenizerJson, IgnoresTruncationAndPadding) {
  spec_["truncation"] = {{"max_length", 1}};
  spec_["padding"] = {{"length", 9}};
  EXPECT_THAT(encode("ba"), ElementsAre(1, 0));
}

TEST_F(TokenizerJson, NamesModelsThatAreNotImplemented) {
  EXPECT_EQ(refusal_with("type", "Unigram"), not_implemented_message("model type", "Unigram"));
  EXPECT_EQ(refusal_with("dropout", 0.1), not_implemented_message("model option", "dropout"));
  EXPECT_EQ(refusal_with("dropout", 0.0), "no error");
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    EXPECT_EQ(refusal_with(affix, "##"), not_implemented_message("model option", affix));
    EXPECT_EQ(refusal_with(affix, ""), "no error");
  }
}

TEST_F(TokenizerJson, NamesWhatIsWrong) {
  EXPECT_EQ(refusal_with("merges", {"a b", "a"}),
            malformed_message("model", "merge 2 'a' is not two tokens"));
  EXPECT_EQ(refusal_with("merges", {"a b", json::array({"a", "b", "a"})}),
            malformed_message("model", "merge 2 is not two tokens"));
  EXPECT_EQ(refusal_with("merges", json::array({json::array({"a", 1})})),
            malformed_message("model", "merge 1 is not two tokens"));
  EXPECT_EQ(refusal_with("merges", nullptr),
            malformed_message("model", "'merges' should be a list, not null"));
  spec_["added_tokens"] = {{{"content", "<s>"}}};
  EXPECT_EQ(refusal(), malformed_message("added_tokens",
                                         "the ID of '<s>' should be an integer of at least 0"));
  spec_ = {{"decoder", {{"type", "Fuse"}}}};
  EXPECT_EQ(refusal(),
            malformed_message("tokenizer.json", "'model' should be an object, not null"));
  spec_ = json::array();
  EXPECT_EQ(refusal(), malformed_message("tokenizer.json", "should be an object"));
}

}  // namespace
}  // namespace emend::text
