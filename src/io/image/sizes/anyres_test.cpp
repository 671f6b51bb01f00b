#include "io/image/sizes/anyres.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/error.h"
#include "io/image/processor.h"
#include "io/json/json.h"
#include "io/tensors/safetensors.h"
#include "io/testing.h"

namespace emend {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

// The fixture of the models, which read these pictures
// (tools/reference/models/make_llava_anyres_fixtures.py).
const std::string kAnyresData =
    EMEND_SOURCE_DIR "/src/models/testdata/llava_anyres/image_processor";

ImageProcessor anyres_processor(const json& settings) {
  TemporaryFolder folder;
  const auto file = folder / "preprocessor_config.json";
  write_json(file, settings);
  return ImageProcessor::load(file);
}

TEST(Anyres, PicturesMatchHuggingFace) {
  const auto settings = read_json(kAnyresData + ".json");
  const auto fixture = SafetensorsFile::open(kAnyresData + ".safetensors");
  int compared = 0;
  for (size_t i = 0; i < settings.size(); ++i)
    for (int j = 0; j < 4; ++j) {
      const auto rgb = fixture->tensor("picture." + std::to_string(j));
      Image picture{static_cast<int>(rgb.size(1)), static_cast<int>(rgb.size(0)), {}};
      picture.rgb.assign(rgb.data_ptr<uint8_t>(), rgb.data_ptr<uint8_t>() + rgb.numel());
      const auto made = anyres_processor(settings[i]).tiles(picture).pixels;
      const auto expected = fixture->tensor(std::to_string(i) + "." + std::to_string(j));
      ASSERT_EQ(made.sizes(), expected.unsqueeze(0).sizes()) << i << " " << j;
      EXPECT_TRUE(at::equal(made[0], expected)) << i << " " << j;
      ++compared;
    }
  EXPECT_EQ(compared, 8);
}

TEST(Anyres, PacksAndUnpacks) {
  const auto pixels = at::rand({3, 3, 4, 4});
  const auto picture = unpack_anyres(pack_anyres(7, 9, pixels), 4);
  EXPECT_EQ(picture.height, 7);
  EXPECT_EQ(picture.width, 9);
  EXPECT_TRUE(at::equal(picture.pixels, pixels));
  for (const auto& wrong :
       {pack_anyres(7, 9, pixels).slice(0, 1), pack_anyres(0, 9, pixels), pixels})
    EXPECT_THAT(error_of([&] { unpack_anyres(wrong, 4); }), HasSubstr("tiles of 4 x 4 pixels"));
}

TEST(Anyres, RejectsInvalidSettings) {
  const auto refusal = [](const char* name, const json& value) {
    json settings = {{"image_processor_type", "LlavaNextImageProcessor"}};
    settings[name] = value;
    return error_of([&] { anyres_processor(settings); });
  };
  EXPECT_EQ(refusal("aspect_ratio_setting", "anyres"), "no error");
  EXPECT_THAT(refusal("crop_size", 224), HasSubstr("a square of 336 pixels"));
  EXPECT_THAT(refusal("size", {{"height", 336}, {"width", 300}}), HasSubstr("a square of 336"));
  EXPECT_THAT(refusal("image_grid_pinpoints", json::array()), HasSubstr("without a resolution"));
  EXPECT_THAT(refusal("image_grid_pinpoints", {{336, 600}}), HasSubstr("not multiples of 336"));
  EXPECT_THAT(refusal("image_grid_pinpoints", {{336}}), HasSubstr("pairs"));
  EXPECT_THAT(refusal("do_resize", false), HasSubstr("do_resize"));
  const auto processor = anyres_processor({{"image_processor_type", "LlavaNextImageProcessor"}});
  EXPECT_THAT(error_of([&] { processor.tiles({0, 3, {}}); }), HasSubstr("no pixels"));
}

}  // namespace
}  // namespace emend
