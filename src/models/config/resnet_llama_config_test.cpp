#include "models/config/resnet_llama_config.h"

#include <gmock/gmock.h>

#include "io/error.h"
#include "tests/tiny_resnet_llama.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

// Sets a field of the tiny config's part (empty: the config itself) and expects an error about it.
void expect_resnet_refused(const char* part, const char* field, const nlohmann::json& value,
                           const char* says) {
  auto config = testing::tiny_resnet_llama_config();
  (*part ? config[part] : config)[field] = value;
  try {
    ResNetLlamaConfig::parse(config);
    ADD_FAILURE() << field << " " << value << " was accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr(says));
  }
}

TEST(ResNetLlamaConfig, DefaultsAreThoseOfResNet50) {
  nlohmann::json config = {{"model_type", "resnet_llama"},
                           {"vision_config", {{"downsample_in_bottleneck", true}}},
                           {"text_config", {{"hidden_size", 576}, {"num_attention_heads", 9}}}};
  const auto c = ResNetLlamaConfig::parse(config);
  EXPECT_EQ(c.vision.blocks(), 16);
  EXPECT_EQ(c.vision.grid(), 7);
  EXPECT_EQ(c.num_image_tokens(), 49);
  EXPECT_EQ(c.vision.widths.back(), 2048);
  EXPECT_EQ(c.projector_hidden, 576);
}

TEST(ResNetLlamaConfig, SidesAreRoundedUp) {
  auto config = testing::tiny_resnet_llama_config();
  config["vision_config"]["image_size"] = 20;
  EXPECT_EQ(ResNetLlamaConfig::parse(config).vision.stem_side(), 5);
  EXPECT_EQ(ResNetLlamaConfig::parse(config).vision.grid(), 3);
}

TEST(ResNetLlamaConfig, RefusesWhatIsNotImplemented) {
  expect_resnet_refused("vision_config", "downsample_in_bottleneck", false, "first 1 x 1");
  expect_resnet_refused("vision_config", "downsample_in_first_stage", true,
                        "downsample_in_first_stage");
  expect_resnet_refused("vision_config", "layer_type", "basic", "layer_type");
  expect_resnet_refused("vision_config", "num_channels", 1, "num_channels");
  expect_resnet_refused("vision_config", "depths", {1, 2, 3}, "depths");
  expect_resnet_refused("vision_config", "hidden_sizes", {16, 25}, "multiples of 4");
  expect_resnet_refused("vision_config", "hidden_sizes", {16, -24}, "hidden_sizes");
  expect_resnet_refused("vision_config", "hidden_sizes", "wide", "hidden_sizes");
  expect_resnet_refused("vision_config", "batch_norm", true, "batch_norm");
  expect_resnet_refused("", "model_type", "llava", "model_type");
  expect_resnet_refused("", "projector_hidden_size", 0, "projector_hidden_size");
  expect_resnet_refused("", "projector_hidden_act", "step", "projector_hidden_act");
}

TEST(ResNetLlamaConfig, CanonicalTextDiffersByField) {
  const auto plain = ResNetLlamaConfig::parse(testing::tiny_resnet_llama_config()).canonical();
  auto config = testing::tiny_resnet_llama_config();
  config["projector_hidden_size"] = 25;
  EXPECT_NE(ResNetLlamaConfig::parse(config).canonical(), plain);
  config = testing::tiny_resnet_llama_config();
  config["vision_config"]["depths"] = {2, 1};
  EXPECT_NE(ResNetLlamaConfig::parse(config).canonical(), plain);
}

}  // namespace
}  // namespace emend
