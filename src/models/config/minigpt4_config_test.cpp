#include "models/config/minigpt4_config.h"

#include <gmock/gmock.h>

#include "io/error.h"

namespace emend {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

std::string minigpt4_refusal(const json& config) {
  try {
    MiniGPT4Config::parse(config);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

json with(const std::string& field, const json& value) {
  json config = {{"model_type", "minigpt4"}};
  config[json::json_pointer(field)] = value;
  return config;
}

TEST(MiniGPT4Config, AbsentFieldsTakeTheReleasedValues) {
  const auto c = MiniGPT4Config::parse({{"model_type", "minigpt4"}});
  EXPECT_EQ(32, c.queries);
  EXPECT_EQ(1408, c.vision.hidden);
  EXPECT_EQ(4096, c.text.hidden);
  EXPECT_EQ("###Human: <Img><ImageHere></Img> {} ###Assistant:", c.layout.with_picture);
  EXPECT_EQ((std::vector<int64_t>{2}), c.layout.stop_tokens);
  EXPECT_EQ(32, c.layout.num_image_tokens);
}

TEST(MiniGPT4Config, ReadsPromptsAndStops) {
  auto config = with("/prompt", {{"with_picture", "<ImageHere> {}!"}, {"bare_text_bos", true}});
  config["stop_sequences"] = {{835}, {2277, 29937}};
  config["text_config"] = {{"eos_token_id", {7, 8}}};
  const auto c = MiniGPT4Config::parse(config);
  EXPECT_EQ("<ImageHere> {}!", c.layout.with_picture);
  EXPECT_TRUE(c.layout.bare_text_bos);
  EXPECT_EQ((std::vector<std::vector<int64_t>>{{835}, {2277, 29937}}), c.layout.stop_sequences);
  EXPECT_EQ((std::vector<int64_t>{7, 8}), c.layout.stop_tokens);
}

TEST(MiniGPT4Config, RejectsInvalidFields) {
  EXPECT_THAT(minigpt4_refusal(with("/model_type", "blip-2")), HasSubstr("model_type"));
  EXPECT_THAT(minigpt4_refusal(with("/prompt/with_picture", "no picture {}")),
              HasSubstr("with_picture"));
  EXPECT_THAT(minigpt4_refusal(with("/prompt/with_picture", "<ImageHere>")),
              HasSubstr("with_picture"));
  EXPECT_THAT(minigpt4_refusal(with("/prompt/with_picture", "<ImageHere><ImageHere>{}")),
              HasSubstr("with_picture"));
  EXPECT_THAT(minigpt4_refusal(with("/prompt/without_picture", "<ImageHere> {}")),
              HasSubstr("without_picture"));
  EXPECT_THAT(minigpt4_refusal(with("/prompt/other", "{}")), HasSubstr("other"));
  for (const json& stops :
       {json(3), json({3}), json({{-1}}), json({json::array()}), json({{32000}}), json({{"a"}})})
    EXPECT_THAT(minigpt4_refusal(with("/stop_sequences", stops)), HasSubstr("stop_sequences"));
  EXPECT_THAT(minigpt4_refusal(with("/vision_config", {{"num_attention_heads", 7}})),
              HasSubstr("not a multiple"));
  EXPECT_THAT(minigpt4_refusal(with("/qformer_config", {{"num_attention_heads", 7}})),
              HasSubstr("qformer_config: hidden_size 768"));
  EXPECT_THAT(minigpt4_refusal(with("/text_config", {{"model_type", "opt"}})),
              HasSubstr("model_type"));
  EXPECT_THAT(minigpt4_refusal(with("/quantization_config", {{"a", 1}})),
              HasSubstr("quantization_config"));
}

}  // namespace
}  // namespace emend
