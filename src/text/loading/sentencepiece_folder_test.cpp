#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "io/files/file.h"
#include "text/loading/loaders.h"
#include "text/testing/messages.h"

namespace emend::text {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

// The model has 900 pieces: "<unk>", "<s>" and "</s>" are 0 to 2, "the" is 674, and "▁the" 338.
class SentencePieceFolder : public ::testing::Test {
 protected:
  SentencePieceFolder() {
    write("tokenizer.model",
          read_file(EMEND_SOURCE_DIR "/src/text/testdata/small_llama/tokenizer.model"));
  }
  void write(const char* name, const std::string& text) const {
    std::ofstream(folder_.file(name), std::ios::binary) << text;
  }
  std::unique_ptr<Tokenizer> load(const json& config) const {
    write("tokenizer_config.json", config.dump());
    return load_sentencepiece(folder_.path());
  }
  std::vector<int64_t> encode(const json& config, const std::string& text) const {
    return load(config)->encode(text, true);
  }
  std::string refusal(const json& config) const {
    return error_of([&] { load(config); });
  }

  TemporaryFolder folder_;
};

// The expected IDs and texts are those of LlamaTokenizer in transformers 4.57.
TEST_F(SentencePieceFolder, HasTheDefaultsOfLlama) {
  const auto tokenizer = load_sentencepiece(folder_.path());
  EXPECT_THAT(tokenizer->encode("the star", true), ElementsAre(1, 338, 460));
  EXPECT_THAT(tokenizer->encode("</s>the", true), ElementsAre(1, 2, 338));
  EXPECT_EQ(tokenizer->decode({1, 338, 460}, true), "the star");
  EXPECT_EQ(tokenizer->decode({1, 338, 460}, false), "<s>the star");
  EXPECT_EQ(tokenizer->size(), 900);
}

TEST_F(SentencePieceFolder, AddsBosAndEosAsConfigured) {
  EXPECT_THAT(encode({{"add_bos_token", false}, {"add_eos_token", true}}, "the"),
              ElementsAre(338, 2));
  EXPECT_EQ(refusal({{"bos_token", nullptr}}),
            malformed_message("tokenizer_config.json",
                              "it enables bos_token but does not define the token"));
  EXPECT_EQ(refusal({{"add_bos_token", false}, {"bos_token", nullptr}}), "no error");
}

TEST_F(SentencePieceFolder, ReadsTheOptionsOfSpaces) {
  EXPECT_THAT(encode({{"legacy", false}}, "</s>the"), ElementsAre(1, 2, 674));
  EXPECT_THAT(encode({{"legacy", false}, {"add_prefix_space", false}}, "the star"),
              ElementsAre(1, 674, 460));
  const auto tokenizer = load({{"clean_up_tokenization_spaces", true}});
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("so , it 's", false)), "so, it's");
}

TEST_F(SentencePieceFolder, NumbersTokensThatAreNotListed) {
  const auto tokenizer =
      load({{"additional_special_tokens", {"<x>", {{"content", "<y>"}}}}, {"pad_token", "</s>"}});
  EXPECT_EQ(tokenizer->id("<x>"), 900);
  EXPECT_EQ(tokenizer->id("<y>"), 901);
  EXPECT_EQ(tokenizer->size(), 902);
  EXPECT_THAT(tokenizer->encode("the<x>the", true), ElementsAre(1, 338, 900, 338));
  EXPECT_EQ(tokenizer->decode({1, 338, 900, 338}, false), "<s>the <x> the");
  EXPECT_EQ(tokenizer->decode({1, 338, 900, 338}, true), "the the");
}

TEST_F(SentencePieceFolder, KeepsTheIdsOfListedTokens) {
  const auto tokenizer =
      load({{"pad_token", "<p>"},
            {"added_tokens_decoder",
             {{"905", {{"content", "<p>"}}}, {"903", {{"content", "w"}, {"special", true}}}}}});
  EXPECT_EQ(tokenizer->id("<p>"), 905);
  EXPECT_EQ(tokenizer->id("w"), 903);
  // The roles decide which tokens are special, not the flag.
  EXPECT_EQ(tokenizer->decode({905, 903}, true), "w");
}

TEST_F(SentencePieceFolder, NamesWhatIsNotImplemented) {
  EXPECT_EQ(refusal({{"tokenizer_class", "T5Tokenizer"}}),
            not_implemented_message("tokenizer_class (with a tokenizer.model)", "T5Tokenizer"));
  EXPECT_EQ(refusal({{"tokenizer_class", "LlamaTokenizerFast"}}), "no error");
  EXPECT_EQ(refusal({{"sp_model_kwargs", {{"alpha", 1}}}}),
            not_implemented_message("sp_model_kwargs", R"({"alpha":1})"));
  EXPECT_EQ(refusal({{"split_special_tokens", true}}),
            not_implemented_message("option", "split_special_tokens"));
}

TEST_F(SentencePieceFolder, NamesTheFileThatIsWrong) {
  EXPECT_EQ(
      refusal({{"legacy", 1}}),
      malformed_message("tokenizer_config.json", "'legacy' should be true or false, not number"));
  write("tokenizer.model", "");
  EXPECT_EQ(refusal(json::object()),
            fmt::format("[text::sentencepiece] '{}': there are no pieces. Hint: the file is "
                        "damaged, or was not written by SentencePiece",
                        folder_.file("tokenizer.model")));
}

}  // namespace
}  // namespace emend::text
