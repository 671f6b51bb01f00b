// Folders of SmolVLM: prompts, tiles and errors.

#include "models/architectures/smolvlm.h"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "io/error.h"
#include "models/testing/batch_answers.h"
#include "models/testing/thread_guard.h"
#include "models/vlm.h"
#include "tests/tiny_smolvlm.h"

namespace emend {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Image gray(int width, int height, uint8_t shade = 90) {
  return {width, height, std::vector<uint8_t>(size_t(width) * height * 3, shade)};
}

class SmolVlmFolder : public ::testing::Test {
 protected:
  ThreadGuard threads_{1};

  SmolVlmFolder() {
    testing::write_tiny_smolvlm(folder.path());
    testing::write_tiny_smolvlm_processor(folder.path(), 48);
  }
  TemporaryFolder folder;
};

TEST_F(SmolVlmFolder, BatchGivesTheAnswersOfSinglePrompts) {
  const auto vlm = load_vlm(folder.path());
  const std::vector<Query> queries{{gray(40, 30), "What is this?"},
                                   {std::nullopt, "Where does the cat live?"},
                                   {gray(60, 12, 200), "So <image>, and what is that?"},
                                   {gray(40, 30), "Who?"}};
  EXPECT_EQ(vlm.processor.tiles(*queries[0].image).pixels.size(0), 10);
  EXPECT_EQ(vlm.processor.tiles(*queries[2].image).pixels.size(0), 4);
  EXPECT_EQ(vlm.processor.pixels(*queries[0].image).dim(), 3);
  testing::expect_answers_of_single_prompts(vlm, queries);
  const auto forced = teacher_force(vlm, queries, {" a", " b", " c", " d"});
  EXPECT_EQ(forced[0].num_image_tokens, 40);
  EXPECT_EQ(forced[2].num_image_tokens, 16);
}

TEST_F(SmolVlmFolder, RejectsPromptsWithSeveralPictures) {
  const auto vlm = load_vlm(folder.path());
  const auto asked = [&](const std::string& text, int64_t image) {
    return error_of([&] { vlm.processor.row(text, image, 1, 2); });
  };
  EXPECT_EQ(asked("<image>What?", 0), "no error");
  for (const char* text : {"<image><image>", "<image> and <image>", "<image><image><image>"})
    EXPECT_THAT(asked(text, 0), HasSubstr("in a wrong place")) << text;
  EXPECT_THAT(asked("<image>What?", -1), HasSubstr("in a wrong place"));
  EXPECT_THAT(vlm.processor.row("What?", 3, 1, 2).images, ElementsAre(3, 4, 5));
  testing::write_text(folder / "processor_config.json", json{{"image_seq_len", 64}}.dump());
  EXPECT_THAT(error_of([&] { load_vlm(folder.path()); }),
              HasSubstr("image_seq_len 64, but the model has 4"));
}

TEST_F(SmolVlmFolder, RejectsTilesOfAnotherSize) {
  testing::write_text(folder / "preprocessor_config.json",
                      json{{"image_processor_type", "SmolVLMImageProcessor"},
                           {"size", {{"longest_edge", 48}}},
                           {"max_image_size", {{"longest_edge", 24}}}}
                          .dump());
  const auto vlm = load_vlm(folder.path());
  EXPECT_THAT(error_of([&] {
                generate(vlm, {{gray(9, 9), "What?"}});
              }),
              HasSubstr("pixels must be (N, 3, 16, 16)"));
}

TEST(SmolVlmConfigs, RejectInvalidFields) {
  const auto refusal = [](const char* pointer, const json& value) {
    auto config = testing::tiny_smolvlm_config();
    config[json::json_pointer(pointer)] = value;
    return error_of([&] { SmolVlmConfig::parse(config); });
  };
  EXPECT_EQ(refusal("/model_type", "idefics3"), "no error");
  EXPECT_EQ(refusal("/vision_config/model_type", "idefics3"), "no error");
  EXPECT_THAT(refusal("/model_type", "llava"), HasSubstr("model_type"));
  EXPECT_THAT(refusal("/scale_factor", 3), HasSubstr("scale_factor"));
  EXPECT_THAT(refusal("/image_token_id", 999), HasSubstr("image_token_id 999"));
  EXPECT_THAT(refusal("/text_config", nullptr), HasSubstr("text_config"));
  EXPECT_THAT(refusal("/text_config/model_type", "gemma"), HasSubstr("model_type"));
  EXPECT_THAT(refusal("/vision_config/image_size", 3), HasSubstr("image_size"));
  EXPECT_EQ(smolvlm_name("text_model.norm.weight"), "model.text_model.norm.weight");
  EXPECT_EQ(smolvlm_name("lm_head.weight"), "lm_head.weight");
}

// The prompts of transformers' Idefics3Processor for text, pictures and a chat template with a real
// tokenizer (tools/reference/models/make_smolvlm_prompts.py).
TEST_F(SmolVlmFolder, PromptsAgreeWithTheReleasedProcessor) {
  const std::string real = EMEND_SHARED_DIR "/data/tokenizers/gpt2/tokenizer.json";
  if (!std::filesystem::exists(real)) GTEST_SKIP() << "no real tokenizer at " << real;
  const auto expected =
      json::parse(std::ifstream(EMEND_SOURCE_DIR "/src/models/testdata/smolvlm/prompts.json"));
  auto tokenizer = json::parse(std::ifstream(real));
  std::map<int64_t, std::string> added;  // sorted by id, as the tokenizer requires
  for (const auto& [text, id] : expected["added"].items()) added[id] = text;
  for (const auto& [id, text] : added) {
    auto token = testing::tiny_tokenizer_with_placeholder()["added_tokens"].back();
    token["id"] = id;
    token["content"] = text;
    tokenizer["added_tokens"].push_back(token);
  }
  std::filesystem::remove(folder / "processor_config.json");
  testing::write_text(folder / "tokenizer.json", tokenizer.dump());
  testing::write_text(folder / "chat_template.jinja", expected["template"].get<std::string>());
  auto layout = architecture_of(testing::tiny_smolvlm_config()).layout;
  layout.image_token = expected["added"]["<image>"].get<int64_t>();
  layout.num_image_tokens = expected["slots"];
  for (const bool split : {true, false}) {
    auto images = expected["images"];
    images["do_image_splitting"] = split;
    testing::write_text(folder / "preprocessor_config.json", images.dump());
    const auto processor = Processor::load(folder.path(), layout);
    const auto bare = Processor::load(folder.path(), layout, /*wrap=*/false);
    for (const auto& line : expected["prompts"]) {
      if (line["split"] != split) continue;
      auto ids = line["ids"].get<std::vector<int64_t>>();
      for (auto& id : ids)
        if (id == *layout.image_token) id = kImageToken;
      const auto& asks = line.contains("asked") ? processor : bare;
      const auto& text = line["text"].get<std::string>();
      if (line["size"].is_null()) {
        EXPECT_EQ(asks.row(text).ids, ids) << line;
        continue;
      }
      const auto tiles = asks.tiles(gray(line["size"][0], line["size"][1]));
      const auto row = asks.row(text, 0, tiles.rows, tiles.columns);
      EXPECT_EQ(row.ids, ids) << line;
      EXPECT_EQ(static_cast<int64_t>(row.images.size()), tiles.pixels.size(0));
      if (line.contains("asked")) {
        EXPECT_EQ(asks.prompt(text, true), line["asked"]);
      }
    }
  }
}

}  // namespace
}  // namespace emend
