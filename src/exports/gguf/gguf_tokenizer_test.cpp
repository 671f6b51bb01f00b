#include "exports/gguf/gguf_tokenizer.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/files/file.h"
#include "io/json/json.h"
#include "io/testing.h"
#include "tests/tiny_llava.h"

namespace emend {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

template <class T>
T gguf_value(const GgufMetadata& metadata, const std::string& key) {
  for (const auto& [name, value] : metadata)
    if (name == "tokenizer." + key) return std::get<T>(value);
  ADD_FAILURE() << key << " is missing";
  return {};
}

class GgufTokenizerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    tokenizer_ = testing::tiny_tokenizer();
    config_ = testing::tiny_llama_config();
  }
  GgufMetadata metadata(const std::string& pre = {}) {
    write_json(folder_.file("tokenizer.json"), tokenizer_);
    write_json(folder_.file("config.json"), config_);
    return gguf_tokenizer(folder_.path(), 264, pre);
  }
  std::string error(const std::string& pre = {}) {
    return error_of([&] { metadata(pre); });
  }

  TemporaryFolder folder_;
  json tokenizer_, config_;
};

TEST_F(GgufTokenizerTest, ByteLevelBpe) {
  tokenizer_["model"]["merges"] = {"a b", json::array({"ab", "c"})};
  tokenizer_["model"]["vocab"]["ab"] = 260;
  tokenizer_["model"]["vocab"]["abc"] = 261;
  tokenizer_["added_tokens"][0]["special"] = false;
  write_json(folder_.file("tokenizer_config.json"),
             {{"pad_token", "<pad>"}, {"chat_template", "{{ messages }}"}});
  const auto found = metadata();
  EXPECT_EQ(gguf_value<std::string>(found, "ggml.model"), "gpt2");
  EXPECT_EQ(gguf_value<std::string>(found, "ggml.pre"), "gpt-2");
  const auto tokens = gguf_value<std::vector<std::string>>(found, "ggml.tokens");
  const auto types = gguf_value<std::vector<int32_t>>(found, "ggml.token_type");
  ASSERT_EQ(tokens.size(), 264u);
  EXPECT_EQ(tokens[4 + ' '], "\u0120");
  EXPECT_EQ(tokens[261], "abc");
  EXPECT_EQ(tokens[263], "[PAD263]");
  EXPECT_EQ(types[0], 1);    // in the vocabulary only
  EXPECT_EQ(types[1], 4);    // an added token
  EXPECT_EQ(types[2], 3);    // a special token
  EXPECT_EQ(types[263], 5);  // no token
  EXPECT_THAT(gguf_value<std::vector<std::string>>(found, "ggml.merges"),
              ::testing::ElementsAre("a b", "ab c"));
  EXPECT_EQ(gguf_value<uint32_t>(found, "ggml.bos_token_id"), 2u);  // of config.json
  EXPECT_EQ(gguf_value<uint32_t>(found, "ggml.padding_token_id"), 1u);
  EXPECT_TRUE(gguf_value<bool>(found, "ggml.add_bos_token"));
  EXPECT_FALSE(gguf_value<bool>(found, "ggml.add_eos_token"));
  EXPECT_EQ(gguf_value<std::string>(found, "chat_template"), "{{ messages }}");
}

TEST_F(GgufTokenizerTest, PreTokenizersHaveNames) {
  const auto name = [&] { return gguf_value<std::string>(metadata(), "ggml.pre"); };
  const json bytes = tokenizer_["pre_tokenizer"];
  const json digits = {{"type", "Digits"}, {"individual_digits", true}};
  tokenizer_["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {digits, bytes}}};
  EXPECT_EQ(name(), "smollm");

  auto plain = bytes;
  plain["use_regex"] = false;
  json split = {{"type", "Split"}, {"behavior", "Isolated"}, {"invert", false}};
  split["pattern"]["Regex"] =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  tokenizer_["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {split, plain}}};
  EXPECT_EQ(name(), "smaug-bpe");
  auto qwen = split;
  qwen["pattern"]["Regex"] =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  tokenizer_["pre_tokenizer"]["pretokenizers"][0] = qwen;
  tokenizer_["normalizer"] = {{"type", "NFC"}};
  EXPECT_EQ(name(), "qwen2");
  tokenizer_["pre_tokenizer"]["pretokenizers"][0] = split;
  tokenizer_["normalizer"] = nullptr;
  tokenizer_["model"]["ignore_merges"] = true;
  EXPECT_EQ(name(), "llama-bpe");
}

TEST_F(GgufTokenizerTest, OtherPreTokenizersNeedAName) {
  tokenizer_["pre_tokenizer"]["add_prefix_space"] = true;
  EXPECT_THAT(error(), HasSubstr("--gguf-pre"));
  EXPECT_EQ(gguf_value<std::string>(metadata("falcon"), "ggml.pre"), "falcon");
  tokenizer_ = testing::tiny_tokenizer();
  tokenizer_["normalizer"] = {{"type", "NFC"}};
  EXPECT_THAT(error(), HasSubstr("it normalizes texts (NFC)"));
}

TEST_F(GgufTokenizerTest, WhatLlamaCppCannotRepresentIsRefused) {
  config_["bos_token_id"] = 3;  // but the tokenizer puts 2 before a text
  EXPECT_EQ(gguf_value<uint32_t>(metadata(), "ggml.bos_token_id"), 2u);
  auto& single = tokenizer_["post_processor"]["single"];
  single.push_back(single[0]);
  EXPECT_TRUE(gguf_value<bool>(metadata(), "ggml.add_eos_token"));
  config_["eos_token_id"] = 1;
  EXPECT_THAT(error(), HasSubstr("1 tokens before and 1 after a text"));
  tokenizer_ = testing::tiny_tokenizer();
  EXPECT_THAT(error_of([&] {
                metadata();
                gguf_tokenizer(folder_.path(), 100);
              }),
              HasSubstr("the embeddings have 100 rows"));
  std::filesystem::remove(folder_.file("tokenizer.json"));
  EXPECT_THAT(error_of([&] { gguf_tokenizer(folder_.path(), 264); }),
              HasSubstr("no tokenizer.json and no tokenizer.model"));
}

// BPE with byte fallback: SentencePiece converted by transformers.
TEST_F(GgufTokenizerTest, MergesBecomeScores) {
  json vocabulary = {{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}};
  for (int byte = 0; byte < 256; ++byte) vocabulary[fmt::format("<0x{:02X}>", byte)] = 3 + byte;
  for (const char* token : {"\u2581", "a", "b", "ab", "\u2581ab"})
    vocabulary[token] = vocabulary.size();
  auto& model = tokenizer_["model"];
  model["vocab"] = vocabulary;
  model["byte_fallback"] = true;
  model["unk_token"] = "<unk>";
  model["merges"] = {"a b", "\u2581 ab"};
  tokenizer_["pre_tokenizer"] = nullptr;
  tokenizer_["post_processor"] = nullptr;
  tokenizer_["decoder"] = {
      {"type", "Sequence"},
      {"decoders",
       {{{"type", "Replace"}, {"pattern", {{"String", "\u2581"}}}, {"content", " "}},
        {{"type", "ByteFallback"}},
        {{"type", "Fuse"}},
        {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}};
  tokenizer_["normalizer"] = {
      {"type", "Sequence"},
      {"normalizers",
       {{{"type", "Prepend"}, {"prepend", "\u2581"}},
        {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}}}}};
  tokenizer_["added_tokens"] = json::array();
  for (const auto& [id, text] : {std::pair{0, "<unk>"}, std::pair{1, "<s>"}, std::pair{2, "</s>"}})
    tokenizer_["added_tokens"].push_back(
        {{"id", id}, {"content", text}, {"special", true}, {"normalized", false}});
  const auto found = metadata();
  EXPECT_EQ(gguf_value<std::string>(found, "ggml.model"), "llama");
  const auto types = gguf_value<std::vector<int32_t>>(found, "ggml.token_type");
  EXPECT_THAT(std::vector<int32_t>(types.begin(), types.begin() + 4),
              ::testing::ElementsAre(2, 3, 3, 6));
  const auto scores = gguf_value<std::vector<float>>(found, "ggml.scores");
  EXPECT_EQ(scores[262], -1);  // ab
  EXPECT_EQ(scores[263], -2);  // ▁ab
  EXPECT_EQ(scores[259], -3);  // ▁
  EXPECT_TRUE(gguf_value<bool>(found, "ggml.add_space_prefix"));
  EXPECT_FALSE(gguf_value<bool>(found, "ggml.add_bos_token"));
  EXPECT_THAT(error("gpt-2"), HasSubstr("leave it out"));

  model["vocab"]["\u2581a"] = 264 - 1;
  model["vocab"].erase("\u2581ab");
  model["vocab"]["\u2581ab"] = 258;  // in place of a byte
  model["vocab"].erase("<0xFF>");
  model["merges"] = {"a b", "\u2581 ab", "\u2581 a"};  // without "▁a b"
  EXPECT_THAT(error(), HasSubstr("1 of 2 possible merges"));
}

}  // namespace
}  // namespace emend
