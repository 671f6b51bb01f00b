#include <gtest/gtest.h>

#include <cstring>

#include "io/error.h"
#include "io/image/codecs.h"
#include "io/image/image.h"
#include "io/tensors/safetensors.h"
#include "io/testing.h"

namespace emend {
namespace {

std::vector<std::string> image_files(const std::string& prefix,
                                     const std::string& name = "images.safetensors") {
  auto fixture = SafetensorsFile::open(EMEND_SOURCE_DIR "/src/io/testdata/" + name);
  std::vector<std::string> files;
  for (const auto& [name, info] : fixture->tensors()) {
    if (!name.starts_with(prefix) || name.find("/file") == std::string::npos) continue;
    auto bytes = fixture->tensor(name);
    files.emplace_back(static_cast<const char*>(bytes.data_ptr()), bytes.numel());
  }
  return files;
}

Image decode(const std::string& bytes) {
  auto image = decode_image(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), "fuzzed");
  EXPECT_EQ(image.rgb.size(), size_t(image.width) * image.height * 3);
  EXPECT_GT(image.width, 0);
  EXPECT_GT(image.height, 0);
  return image;
}

TEST(ImageFuzz, DamagedJpegsThrowOrGivePictures) {
  int decoded = 0;
  auto wrong = fuzz(image_files("jpeg"), 6000, 1, [&](const std::string& bytes) {
    decode(bytes);
    ++decoded;
  });
  EXPECT_EQ("", wrong);
  EXPECT_GT(decoded, 100) << "the damage must get past the header";
}

TEST(ImageFuzz, DamagedPngsThrowOrGivePictures) {
  auto wrong = fuzz(image_files("png"), 4000, 2, [&](const std::string& bytes) { decode(bytes); });
  EXPECT_EQ("", wrong);
}

// Corrects the checksum of each chunk, so that the damage reaches the code after the check.
std::string with_right_checksums(std::string png) {
  auto number = [&](size_t at) {
    uint32_t value = 0;
    for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(png[at + i]);
    return value;
  };
  for (size_t at = 8; png.size() - std::min(at, png.size()) >= 12;) {
    size_t length = number(at);
    if (length > png.size() - at - 12) break;
    uint32_t crc = ~0u;
    for (size_t i = at + 4; i < at + 8 + length; ++i) {
      crc ^= static_cast<uint8_t>(png[i]);
      for (int k = 0; k < 8; ++k) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    for (int i = 0; i < 4; ++i) png[at + 8 + length + i] = static_cast<char>(~crc >> (24 - 8 * i));
    at += 12 + length;
  }
  return png;
}

TEST(ImageFuzz, DamagedPngsWithCorrectChecksumsThrowOrGivePictures) {
  int decoded = 0;
  auto wrong = fuzz(image_files("png"), 6000, 3, [&](const std::string& bytes) {
    decode(with_right_checksums(bytes));
    ++decoded;
  });
  EXPECT_EQ("", wrong);
  EXPECT_GT(decoded, 100);
}

class ImageFormatFuzz : public ::testing::TestWithParam<const char*> {};

TEST_P(ImageFormatFuzz, DamagedFilesThrowOrGivePictures) {
  int decoded = 0;
  auto wrong = fuzz(image_files(GetParam(), "webp_bmp_gif.safetensors"), 6000, 5,
                    [&](const std::string& bytes) {
                      // A copy of exactly this size, so that the sanitizer detects reads beyond it.
                      std::vector<uint8_t> exact(bytes.begin(), bytes.end());
                      auto image = decode_image(exact.data(), exact.size(), "fuzzed");
                      ASSERT_EQ(image.rgb.size(), size_t(image.width) * image.height * 3);
                      ++decoded;
                    });
  EXPECT_EQ("", wrong);
  EXPECT_GT(decoded, 100) << "the damage must get past the header";
}

INSTANTIATE_TEST_SUITE_P(Formats, ImageFormatFuzz, ::testing::Values("webp", "bmp", "gif"));

TEST(ImageFuzz, DamagedExifGivesAValidOrientation) {
  std::string block("II*\0\x08\0\0\0\x02\0\0\1\4\0\1\0\0\0\x4d\0\0\0\x12\1\3\0\1\0\0\0\6\0\0\0",
                    34);
  std::string big("MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0", 22);
  auto wrong = fuzz({block, big}, 5000, 4, [&](const std::string& bytes) {
    // A copy of exactly this size, so that the sanitizer detects reads beyond it.
    std::vector<uint8_t> exact(bytes.begin(), bytes.end());
    int orientation = exif_orientation(exact.data(), exact.size());
    ASSERT_GE(orientation, 1);
    ASSERT_LE(orientation, 8);
  });
  EXPECT_EQ("", wrong);
}

}  // namespace
}  // namespace emend
