#include <gtest/gtest.h>

#include <fstream>

#include "io/error.h"
#include "io/files/file.h"
#include "io/image/processor.h"
#include "io/json/json.h"
#include "io/testing.h"

namespace emend {
namespace {

TEST(JsonFuzz, DamagedJsonThrowsOrMatchesTheLibrary) {
  const std::string nested = R"({"a": [1, -2, 3.5e7, true, null, "x\u00e9\ud83d\ude42\n"],
      "b": {"c": {"d": [[], {}, [[[]]]]}}, "e": 18446744073709551615, "f": ""})";
  const auto config = read_file(EMEND_SOURCE_DIR "/src/io/testdata/processors.json");
  int accepted = 0;
  auto wrong = fuzz({nested, config}, 8000, 1, [&](const std::string& text) {
    auto value = parse_json(text, "fuzzed");
    ++accepted;
    ASSERT_EQ(nlohmann::json::parse(text), value);
  });
  EXPECT_EQ("", wrong);
  EXPECT_GT(accepted, 50);
}

TEST(ImageProcessorFuzz, DamagedSettingsThrowOrAreUsable) {
  TemporaryFolder folder;
  auto path = folder.file("preprocessor_config.json");
  std::vector<std::string> configs;
  for (const auto& config : read_json(EMEND_SOURCE_DIR "/src/io/testdata/processors.json"))
    configs.push_back(config.dump());
  Image picture{3, 2, std::vector<uint8_t>(18, 100)};
  auto wrong = fuzz(configs, 4000, 2, [&](const std::string& text) {
    std::ofstream(path, std::ios::binary).write(text.data(), std::streamsize(text.size()));
    auto processor = ImageProcessor::load(path);
    // A side may be up to 8192, but so many pixels would make the test slow.
    if (processor.width * processor.height > 10000) return;
    if (processor.longest_edge > 100 || processor.tile > 100) return;
    auto pixels = processor.tiles(picture).pixels;
    ASSERT_EQ(3, pixels.size(1));
  });
  EXPECT_EQ("", wrong);
}

}  // namespace
}  // namespace emend
