#include "text/loading/folder_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "text/testing/messages.h"

namespace emend::text {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FolderTokensTest : public ::testing::Test {
 protected:
  void write(const char* name, const json& content) const {
    std::ofstream(folder_.file(name)) << content.dump();
  }
  FolderTokens read(const json& config, const json& defaults = json::object()) const {
    return read_folder_tokens(folder_.path(), config, defaults);
  }
  // "content:id", with "!" for special tokens.
  static std::vector<std::string> shown(const std::vector<AddedToken>& tokens) {
    std::vector<std::string> texts;
    for (const auto& token : tokens)
      texts.push_back(token.content + ":" + std::to_string(token.id) + (token.special ? "!" : ""));
    return texts;
  }

  TemporaryFolder folder_;
};

TEST_F(FolderTokensTest, ReadsTheConfigurationIfThereIsOne) {
  EXPECT_EQ(read_tokenizer_config(folder_.path()), json::object());
  write("tokenizer_config.json", {{"a", 1}});
  EXPECT_EQ(read_tokenizer_config(folder_.path()), json({{"a", 1}}));
  write("tokenizer_config.json", json::array());
  EXPECT_EQ(error_of([&] { read_tokenizer_config(folder_.path()); }),
            malformed_message("tokenizer_config.json", "should be an object"));
}

TEST_F(FolderTokensTest, ListsSpecialTokensInTheOrderOfTransformers) {
  const auto tokens = read({{"mask_token", "<m>"},
                            {"additional_special_tokens", {"<y>", {{"content", "<x>"}}}},
                            {"eos_token", {{"content", "</s>"}, {"lstrip", true}}},
                            {"bos_token", "<s>"},
                            {"pad_token", nullptr}});
  EXPECT_THAT(shown(tokens.special),
              ElementsAre("<s>:-1!", "</s>:-1!", "<m>:-1!", "<y>:-1!", "<x>:-1!"));
  EXPECT_TRUE(tokens.special[1].lstrip);
  EXPECT_THAT(tokens.listed, IsEmpty());
}

TEST_F(FolderTokensTest, TakesDefaultsForNamesThatAreNotDefined) {
  const auto tokens = read({{"bos_token", "<b>"}, {"unk_token", nullptr}},
                           {{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"}});
  EXPECT_EQ(tokens.need("bos_token"), "<b>");
  EXPECT_EQ(tokens.need("eos_token"), "</s>");
  EXPECT_EQ(error_of([&] { tokens.need("unk_token"); }),
            malformed_message("tokenizer_config.json",
                              "it enables unk_token but does not define the token"));
}

TEST_F(FolderTokensTest, ReadsTheMapOfOlderFolders) {
  write("special_tokens_map.json", {{"bos_token", {{"content", "<map>"}}}});
  EXPECT_EQ(read({{"bos_token", "<config>"}}).need("bos_token"), "<map>");
  // Folders that list their added tokens do not need the map.
  const json decoder = {{"5", {{"content", "<s>"}}}};
  EXPECT_EQ(read({{"bos_token", "<config>"}, {"added_tokens_decoder", decoder}}).need("bos_token"),
            "<config>");
}

TEST_F(FolderTokensTest, ListsAddedTokensById) {
  const auto tokens =
      read({{"added_tokens_decoder",
             {{"12", {{"content", "b"}}}, {"7", {{"content", "a"}, {"special", true}}}}}});
  EXPECT_THAT(shown(tokens.listed), ElementsAre("a:7!", "b:12"));
}

TEST_F(FolderTokensTest, ReadsTheAddedTokensOfOlderFolders) {
  write("added_tokens.json", {{"<x>", 9}, {"word", 8}});
  const auto tokens = read({{"additional_special_tokens", {"<x>"}}});
  EXPECT_THAT(shown(tokens.listed), ElementsAre("word:8", "<x>:9!"));
  EXPECT_TRUE(tokens.listed[0].normalized);
  EXPECT_FALSE(tokens.listed[1].normalized);
}

TEST_F(FolderTokensTest, JoinsListedAndSpecialTokens) {
  write("added_tokens.json", {{"<x>", 9}, {"</s>", 8}});
  const auto tokens = read({{"eos_token", "</s>"}, {"bos_token", "<s>"}});
  EXPECT_THAT(shown(tokens.all()), ElementsAre("</s>:8!", "<x>:9", "<s>:-1!"));
}

TEST_F(FolderTokensTest, NamesWhatIsWrong) {
  const auto problem = [&](const json& config) { return error_of([&] { read(config); }); };
  EXPECT_EQ(problem({{"bos_token", 5}}),
            malformed_message("tokenizer_config.json", "'content' should be a string, not null"));
  EXPECT_EQ(
      problem({{"added_tokens_decoder", {"a"}}}),
      malformed_message("tokenizer_config.json", "'added_tokens_decoder' should be an object"));
  for (const char* id : {"", "-1", "1a", "1234567890"})
    EXPECT_EQ(problem({{"added_tokens_decoder", {{id, {{"content", "a"}}}}}}),
              malformed_message("tokenizer_config.json",
                                fmt::format("'{}' in 'added_tokens_decoder' is not an ID", id)));
}

}  // namespace
}  // namespace emend::text
