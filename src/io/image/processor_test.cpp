#include "io/image/processor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "io/error.h"
#include "io/files/file.h"
#include "io/json/json.h"
#include "io/tensors/safetensors.h"
#include "io/testing.h"

namespace emend {
namespace {

using testing::HasSubstr;

const std::string kProcessorData = EMEND_SOURCE_DIR "/src/io/testdata/";

class ImageProcessorTest : public testing::Test {
 protected:
  ImageProcessor load(const nlohmann::json& config) {
    write_json(path_, config);
    return ImageProcessor::load(path_);
  }
  std::string message(const nlohmann::json& config) {
    return error_of([&] { load(config); });
  }
  ~ImageProcessorTest() override { std::filesystem::remove(path_); }

  std::string path_ = testing::TempDir() + "/emend_preprocessor_config.json";
};

TEST_F(ImageProcessorTest, PixelsMatchHuggingFace) {
  auto cases = read_json(kProcessorData + "processors.json");
  auto fixture = SafetensorsFile::open(kProcessorData + "processors.safetensors");
  int compared = 0;
  for (const std::string name : {"picture", "upright"}) {
    auto rgb = fixture->tensor(name);
    Image picture{static_cast<int>(rgb.size(1)), static_cast<int>(rgb.size(0)), {}};
    picture.rgb.assign(rgb.data_ptr<uint8_t>(), rgb.data_ptr<uint8_t>() + rgb.numel());
    for (size_t i = 0; i < cases.size(); ++i) {
      SCOPED_TRACE(name + " " + cases[i].dump());
      const auto key = (name == "picture" ? "" : name + "/") + "pixels/" + std::to_string(i);
      if (fixture->tensors().count(key) == 0) continue;
      const auto tiles = load(cases[i]).tiles(picture);
      const auto& got = tiles.pixels;
      auto expected = fixture->tensor(key);
      if (expected.dim() == 3) expected = expected.unsqueeze(0);  // processors without tiles
      EXPECT_EQ(tiles.rows * tiles.columns + 1, got.size(0));
      ASSERT_EQ(expected.sizes(), got.sizes());
      EXPECT_TRUE(at::equal(expected, got))
          << "largest difference " << (expected - got).abs().max().item<float>();
      ++compared;
    }
  }
  EXPECT_GE(compared, 33);
}

TEST_F(ImageProcessorTest, MissingSettingsOfClipTakeItsDefaults) {
  for (const char* type : {"CLIPImageProcessor", "CLIPImageProcessorFast", "LlavaImageProcessor"}) {
    auto processor = load({{"image_processor_type", type}});
    EXPECT_EQ(224, processor.shortest_edge);
    EXPECT_TRUE(processor.do_center_crop && processor.do_resize && !processor.do_pad);
    EXPECT_EQ(224, processor.crop_width);
  }
  const nlohmann::json clip = {{"image_processor_type", "CLIPImageProcessor"}};
  auto with = [&](const char* key, const nlohmann::json& value) {
    auto config = clip;
    config[key] = value;
    return config;
  };
  EXPECT_EQ(336, load(with("size", 336)).shortest_edge);
  EXPECT_EQ(336, load(with("size", {{"shortest_edge", 336}})).shortest_edge);
  EXPECT_EQ(0, load(with("size", {{"height", 20}, {"width", 30}})).shortest_edge);
  EXPECT_EQ(20, load(with("crop_size", 20)).crop_height);
  EXPECT_FALSE(load(with("do_center_crop", false)).do_center_crop);
  EXPECT_NE(message(with("do_pad", true)).find("do_pad"), std::string::npos);
  EXPECT_NE(
      message(with("size", {{"shortest_edge", 9}, {"longest_edge", 12}})).find("longest_edge"),
      std::string::npos);
  EXPECT_NE(message(with("crop_size", {{"shortest_edge", 9}})).find("crop_size"),
            std::string::npos);
  EXPECT_NE(message(with("default_to_square", true)).find("default_to_square"), std::string::npos);
  EXPECT_NE(message({{"image_processor_type", "DonutImageProcessor"}}).find("DonutImageProcessor"),
            std::string::npos);
}

TEST_F(ImageProcessorTest, MissingSettingsOfSiglipTakeItsDefaults) {
  for (const char* type : {"SiglipImageProcessor", "SiglipImageProcessorFast"}) {
    auto processor = load({{"image_processor_type", type}});
    EXPECT_EQ(224, processor.width);
    EXPECT_EQ(0, processor.shortest_edge);
    EXPECT_FALSE(processor.do_center_crop || processor.do_pad);
    EXPECT_EQ(Resample::bicubic, processor.resample);
    EXPECT_EQ(0.5, processor.mean[0]);
    EXPECT_EQ(0.5, processor.std[2]);
    EXPECT_EQ(384, load({{"image_processor_type", type}, {"size", 384}}).height);
  }
}

TEST_F(ImageProcessorTest, MissingSettingsOfSmolVlmTakeItsDefaults) {
  for (const char* type : {"Idefics3ImageProcessor", "SmolVLMImageProcessorFast"}) {
    auto processor = load({{"image_processor_type", type}});
    EXPECT_EQ(364, processor.tile);
    EXPECT_EQ(1456, processor.longest_edge);
    EXPECT_TRUE(processor.split && processor.do_resize);
    EXPECT_EQ(Resample::lanczos, processor.resample);
    EXPECT_EQ(0.5, processor.mean[1]);
  }
  const auto says = [&](const char* key, const nlohmann::json& value) {
    return message({{"image_processor_type", "Idefics3ImageProcessor"}, {key, value}});
  };
  EXPECT_NE(says("size", {{"height", 9}, {"width", 9}}).find("size other"), std::string::npos);
  EXPECT_NE(says("max_image_size", 9).find("max_image_size other"), std::string::npos);
  EXPECT_NE(says("size", {{"longest_edge", 0}}).find("size of 0"), std::string::npos);
  EXPECT_NE(says("do_center_crop", true).find("do_center_crop"), std::string::npos);
  EXPECT_NE(says("do_image_splitting", "no").find("do_image_splitting"), std::string::npos);
  EXPECT_EQ("no error", says("video_sampling", {{"fps", 1}}));
}

// As in Keras: BGR from 0 to 255, minus the means of ImageNet.
TEST_F(ImageProcessorTest, ResNetLlamaSubtractsMeansFromBgr) {
  const nlohmann::json named = {{"image_processor_type", "ResNetLlamaImageProcessor"}};
  auto processor = load(named);
  EXPECT_EQ(224, processor.width);
  EXPECT_EQ(Resample::bilinear, processor.resample);
  processor.do_resize = false;
  const auto pixels = processor.tiles({2, 1, {10, 20, 30, 200, 100, 0}}).pixels;
  const auto expected = at::tensor({30 - 103.939, 0 - 103.939, 20 - 116.779, 100 - 116.779,
                                    10 - 123.68, 200 - 123.68})
                            .to(at::kFloat)
                            .view({1, 3, 1, 2});
  EXPECT_LT((pixels - expected).abs().max().item<double>(), 1e-5);

  const auto says = [&](const char* key, const nlohmann::json& value) {
    auto config = named;
    config[key] = value;
    return message(config);
  };
  EXPECT_EQ("no error", says("do_flip_channel_order", true));
  EXPECT_NE(says("do_flip_channel_order", "yes").find("do_flip_channel_order"), std::string::npos);
  EXPECT_NE(says("do_center_crop", true).find("do_center_crop"), std::string::npos);
  EXPECT_NE(says("size", {{"shortest_edge", 224}}).find("shortest_edge"), std::string::npos);
  EXPECT_NE(
      message({{"image_processor_type", "BlipImageProcessor"}, {"do_flip_channel_order", true}})
          .find("do_flip_channel_order"),
      std::string::npos);
}

// The order of tiles is that of transformers: row by row, then the whole picture.
TEST_F(ImageProcessorTest, NumberOfTilesDependsOnTheAspectRatio) {
  auto processor = load({{"image_processor_type", "Idefics3ImageProcessor"},
                         {"size", {{"longest_edge", 32}}},
                         {"max_image_size", {{"longest_edge", 8}}}});
  const auto tiles = [&](int width, int height) {
    return processor.tiles({width, height, std::vector<uint8_t>(size_t(width) * height * 3)});
  };
  const auto wide = tiles(60, 20), tall = tiles(5, 7), thread = tiles(1000, 1);
  EXPECT_EQ(wide.rows, 2);
  EXPECT_EQ(wide.columns, 4);
  EXPECT_EQ(tall.rows, 4);
  EXPECT_EQ(tall.columns, 3);
  EXPECT_EQ(thread.rows, 1);
  EXPECT_EQ(thread.pixels.size(0), 5);
}

// A very narrow picture would become more pixels than fit into memory.
TEST_F(ImageProcessorTest, RefusesPicturesThatBecomeTooLarge) {
  const Image thread{60000, 1, std::vector<uint8_t>(180000)};
  auto processor = load({{"image_processor_type", "CLIPImageProcessor"}, {"size", 8192}});
  EXPECT_THAT(error_of([&] { processor.tiles(thread); }), HasSubstr("when it is resized"));
  processor = load({{"image_processor_type", "LlavaImageProcessor"}, {"do_pad", true}});
  EXPECT_THAT(error_of([&] { processor.tiles(thread); }), HasSubstr("padded to a square"));
}

TEST_F(ImageProcessorTest, MissingSettingsTakeHuggingFaceDefaults) {
  auto processor = load(nlohmann::json::object());
  EXPECT_EQ(384, processor.width);
  EXPECT_EQ(384, processor.height);
  EXPECT_EQ(Resample::bicubic, processor.resample);
  EXPECT_TRUE(processor.do_resize && processor.do_rescale && processor.do_normalize);
  EXPECT_DOUBLE_EQ(0.26862954, processor.std[0]);
  EXPECT_EQ(224, load({{"size", 224}}).height);
  EXPECT_EQ(64, load({{"image_processor", {{"size", 64}}}, {"num_query_tokens", 32}}).height)
      << "processor_config.json of newer releases";
  EXPECT_EQ(30, load({{"size", {{"height", 20}, {"width", 30}}}}).width);
}

TEST_F(ImageProcessorTest, RefusesUnsupportedSettingsByName) {
  EXPECT_NE(message({{"size", {{"shortest_edge", 224}}}}).find("shortest_edge"), std::string::npos);
  EXPECT_NE(message({{"do_center_crop", true}}).find("do_center_crop"), std::string::npos);
  EXPECT_NE(message({{"do_pad", true}}).find("do_pad"), std::string::npos);
  EXPECT_NE(message({{"do_something_new", 3}}).find("do_something_new"), std::string::npos);
  EXPECT_NE(message({{"resample", 4}}).find("resample 4"), std::string::npos);
  EXPECT_NE(message({{"resample", "bicubic"}}).find("resample"), std::string::npos);
  EXPECT_NE(message({{"size", "big"}}).find("size"), std::string::npos);
  EXPECT_NE(message({{"size", 0}}).find("size of 0"), std::string::npos);
  EXPECT_NE(message({{"size", 1000000}}).find("1000000"), std::string::npos);
  EXPECT_NE(message({{"size", {{"height", 20}}}}).find("width"), std::string::npos);
  EXPECT_NE(message({{"image_std", {1, 0, 1}}}).find("image_std"), std::string::npos);
  EXPECT_NE(message({{"image_mean", {1, 0}}}).find("image_mean"), std::string::npos);
  EXPECT_NE(message({{"do_resize", 1}}).find("do_resize"), std::string::npos);
  EXPECT_NE(message(nlohmann::json::array()).find("not an object"), std::string::npos);
  EXPECT_EQ("no error",
            message({{"do_center_crop", false}, {"do_pad", nullptr}, {"crop_size", 7}}));
  EXPECT_THROW(ImageProcessor::load("/nowhere/preprocessor_config.json"), Error);
}

}  // namespace
}  // namespace emend
