#include <fmt/format.h>
#include <unistd.h>
// The conventions of the released processor: values of transformers' Blip2Processor and of
// generation (tools/reference/models/make_prompts.py).

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "models/architectures/architecture.h"
#include "models/prompting/processor.h"
#include "models/testing/fixture.h"
#include "models/vlm.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

const std::string kPromptsData = EMEND_SOURCE_DIR "/src/models/testdata/";

nlohmann::json read(const fs::path& path) {
  std::ifstream file(path);
  return nlohmann::json::parse(file);
}

void write(const fs::path& path, const nlohmann::json& json) { std::ofstream(path) << json; }

// A released folder: its config.json and OPT's tokenizer files.
class Prompts : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const fs::path tokenizer = EMEND_SHARED_DIR "/data/tokenizers/opt";
    if (!fs::exists(tokenizer / "merges.txt")) GTEST_SKIP() << "no real tokenizer at " << tokenizer;
    folder =
        fs::path(::testing::TempDir()) / fmt::format("emend_prompts_{}_{}", GetParam(), ::getpid());
    fs::remove_all(folder);
    fs::create_directories(folder);
    for (const char* name : {"vocab.json", "merges.txt", "tokenizer_config.json"})
      fs::copy_file(tokenizer / name, folder / name);
    fs::copy_file(kPromptsData + "blip2/plain/preprocessor_config.json",
                  folder / "preprocessor_config.json");
    write(folder / "config.json",
          read(kPromptsData + "manifests/" + GetParam() + ".json").at("config"));
  }
  void TearDown() override { fs::remove_all(folder); }

  Processor processor() const {
    auto layout = architecture_of(read(folder / "config.json")).layout;
    layout.num_image_tokens = expected.at("queries");
    return Processor::load(folder.string(), layout);
  }

  fs::path folder;
  nlohmann::json expected = read(kPromptsData + "prompts.json");
};

INSTANTIATE_TEST_SUITE_P(All, Prompts, ::testing::Values("blip2-opt-2.7b", "blip2-opt-2.7b-older"),
                         [](const auto& info) {
                           return info.param == "blip2-opt-2.7b" ? "current" : "older";
                         });

TEST_P(Prompts, AgreeWithTheReleasedProcessor) {
  const auto processor = this->processor();
  for (const auto& prompt : expected.at("prompts")) {
    const auto text = prompt.at("text").get<std::string>();
    EXPECT_EQ(processor.row(text).ids, prompt.at("alone").get<std::vector<int64_t>>()) << text;
    auto ids = prompt.at("with_picture").get<std::vector<int64_t>>();
    for (auto& id : ids)
      if (id == expected.at("image_token")) id = kImageToken;
    const auto row = processor.row(text, 3);
    EXPECT_EQ(row.ids, ids) << text;
    EXPECT_EQ(row.images, std::vector<int64_t>{3});
    EXPECT_TRUE(processor.row(text).images.empty());
  }
}

TEST_P(Prompts, StopAtTheLanguageModelsEndOfText) {
  const auto processor = this->processor();
  EXPECT_EQ(processor.stop_tokens, std::vector<int64_t>{50118});
}

// BLIP-2 generates with its language model, whose settings are only in text_config.
TEST_P(Prompts, GenerationConfigDoesNotChangeTheStopToken) {
  write(folder / "generation_config.json", {{"bos_token_id", 2}, {"eos_token_id", 2}});
  const auto processor = this->processor();
  EXPECT_EQ(processor.stop_tokens, std::vector<int64_t>{50118});
}

TEST(Stop, EndsGenerationAsInTransformers) {
  const auto stop = read(kPromptsData + "prompts.json").at("stop");
  const auto fixture = fixtures::Fixture::open("blip2/plain");
  const auto model = fixtures::load(fixture);
  auto batch = fixture.batch("image_left");
  GenerationOptions options;
  options.max_new_tokens = 20;
  const int64_t last = stop.at("text_config");
  const auto made = generate_tokens(*model, batch, {last}, {}, options);
  // The list of transformers includes the stop token.
  auto expected = stop.at("generated").get<std::vector<int64_t>>();
  ASSERT_EQ(expected.back(), last);
  expected.pop_back();
  EXPECT_EQ(made.at(0), expected);
}

}  // namespace
}  // namespace emend
