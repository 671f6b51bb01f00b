#include "io/image/sizes/smart_resize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "io/error.h"
#include "io/image/processor.h"
#include "io/json/json.h"
#include "io/tensors/safetensors.h"
#include "io/testing.h"

namespace emend {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

const std::string kSmartResizeData = EMEND_SOURCE_DIR "/src/io/testdata/smart_resize";

ImageProcessor qwen_processor(const json& settings) {
  TemporaryFolder folder;
  const auto file = folder / "preprocessor_config.json";
  write_json(file, settings);
  return ImageProcessor::load(file);
}

// tools/reference/make_qwen_image_fixtures.py
TEST(SmartResize, SizesMatchHuggingFace) {
  const auto cases = read_json(kSmartResizeData + ".json").at("sizes");
  EXPECT_GE(cases.size(), 90u);
  for (const auto& line : cases) {
    const auto size = smart_resize(line["width"], line["height"], line["factor"],
                                   line["min_pixels"], line["max_pixels"]);
    EXPECT_EQ(size.width, line["new_width"]) << line;
    EXPECT_EQ(size.height, line["new_height"]) << line;
  }
}

TEST(SmartResize, PixelsMatchHuggingFace) {
  const auto settings = read_json(kSmartResizeData + ".json").at("pictures");
  const auto fixture = SafetensorsFile::open(kSmartResizeData + ".safetensors");
  for (size_t i = 0; i < settings.size(); ++i) {
    const auto rgb = fixture->tensor(std::to_string(i) + "/picture");
    Image picture{static_cast<int>(rgb.size(1)), static_cast<int>(rgb.size(0)), {}};
    picture.rgb.assign(rgb.data_ptr<uint8_t>(), rgb.data_ptr<uint8_t>() + rgb.numel());
    const auto tiles = qwen_processor(settings[i]).tiles(picture);
    const auto expected = fixture->tensor(std::to_string(i) + "/pixels");
    ASSERT_EQ(tiles.pixels.size(0), 1);
    ASSERT_EQ(tiles.pixels[0].sizes(), expected.sizes());
    EXPECT_TRUE(at::equal(tiles.pixels[0], expected)) << i;
  }
  EXPECT_GE(settings.size(), 3u);
}

TEST(SmartResize, RejectsNarrowAndEmptyPictures) {
  EXPECT_EQ(error_of([] { smart_resize(200, 1, 28, 3136, 1003520); }), "no error");
  EXPECT_THAT(error_of([] { smart_resize(201, 1, 28, 3136, 1003520); }),
              HasSubstr("a picture of 201 x 1 pixels is too narrow"));
  EXPECT_THAT(error_of([] { smart_resize(0, 1, 28, 3136, 1003520); }), HasSubstr("no pixels"));
  EXPECT_THAT(error_of([] { smart_resize(2, 2, 28, int64_t{1} << 40, int64_t{1} << 41); }),
              HasSubstr("would become"));
}

TEST(SmartResize, RejectsInvalidSettings) {
  const auto refusal = [](const char* name, const json& value) {
    json settings = {{"image_processor_type", "Qwen2VLImageProcessorFast"}};
    settings[name] = value;
    return error_of([&] { qwen_processor(settings); });
  };
  EXPECT_EQ(refusal("patch_size", 16), "no error");
  EXPECT_THAT(refusal("patch_size", 0), HasSubstr("patch_size is 0"));
  EXPECT_THAT(refusal("merge_size", -2), HasSubstr("merge_size -2"));
  EXPECT_THAT(refusal("min_pixels", 0), HasSubstr("0 to 1003520 pixels"));
  EXPECT_THAT(refusal("max_pixels", 10), HasSubstr("3136 to 10 pixels"));
  EXPECT_THAT(refusal("size", 448), HasSubstr("size that is a number"));
  EXPECT_THAT(refusal("size", {{"height", 448}, {"width", 448}}), HasSubstr("size with 'height'"));
  EXPECT_THAT(refusal("do_center_crop", true), HasSubstr("do_center_crop"));
}

}  // namespace
}  // namespace emend
