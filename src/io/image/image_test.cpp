#include "io/image/image.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "io/error.h"
#include "io/files/file.h"
#include "io/hash.h"
#include "io/image/codecs.h"
#include "io/json/json.h"
#include "io/tensors/safetensors.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

const std::string kImageData = EMEND_SOURCE_DIR "/src/io/testdata/";

std::vector<uint8_t> bytes_of(const at::Tensor& tensor) {
  auto data = tensor.data_ptr<uint8_t>();
  return {data, data + tensor.numel()};
}

Image image_of(const at::Tensor& rgb) {
  return {static_cast<int>(rgb.size(1)), static_cast<int>(rgb.size(0)), bytes_of(rgb)};
}

testing::AssertionResult same(const Image& got, const Image& expected) {
  if (got.width != expected.width || got.height != expected.height)
    return testing::AssertionFailure() << got.width << " x " << got.height << ", expected "
                                       << expected.width << " x " << expected.height;
  int different = 0, worst = 0;
  for (size_t i = 0; i < expected.rgb.size(); ++i) {
    int distance = std::abs(int(got.rgb[i]) - int(expected.rgb[i]));
    different += distance > 0;
    worst = std::max(worst, distance);
  }
  if (different == 0) return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << different << " of " << expected.rgb.size() << " differ, by up to " << worst;
}

std::string image_error(const std::vector<uint8_t>& file) {
  try {
    decode_image(file.data(), file.size(), "picture");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

int check_decoding(const std::string& fixture_name) {
  auto fixture = SafetensorsFile::open(kImageData + fixture_name);
  int files = 0;
  for (const auto& [name, info] : fixture->tensors()) {
    auto end = name.find("/file");
    if (end == std::string::npos) continue;
    SCOPED_TRACE(name);
    auto file = bytes_of(fixture->tensor(name));
    auto expected = image_of(fixture->tensor(name.substr(0, end) + "/rgb"));
    EXPECT_TRUE(same(decode_image(file.data(), file.size(), name), expected));
    ++files;
  }
  return files;
}

TEST(Image, DecodesAsPillowDoes) { EXPECT_GT(check_decoding("images.safetensors"), 50); }

TEST(Image, DecodesWebpBmpAndGifAsPillowDoes) {
  EXPECT_GT(check_decoding("webp_bmp_gif.safetensors"), 70);
}

// `spare`: the number of bytes at the end that follow the last pixel and may be missing. Files that
// end just before them may also have all pixels, since the last code may need no bits of the last
// byte.
void check_truncations(const std::string& fixture_name, const std::string& name, size_t spare) {
  SCOPED_TRACE(name);
  auto fixture = SafetensorsFile::open(kImageData + fixture_name);
  auto file = bytes_of(fixture->tensor(name + "/file"));
  auto whole = image_of(fixture->tensor(name + "/rgb"));
  for (size_t size = 0; size < file.size(); ++size) {
    // A copy of exactly this size, so that the sanitizer detects reads beyond it.
    std::vector<uint8_t> cut(file.begin(), file.begin() + static_cast<int64_t>(size));
    bool decoded = false;
    try {
      EXPECT_TRUE(same(decode_image(cut.data(), size, name), whole)) << "truncated to " << size;
      decoded = true;
    } catch (const Error&) {
    }
    const auto missing = file.size() - size;
    if (missing <= spare) {
      EXPECT_TRUE(decoded) << "truncated to " << size;
    }
    if (missing > spare + (spare > 0 ? 2 : 0)) {
      EXPECT_FALSE(decoded) << "truncated to " << size;
    }
  }
}

TEST(Image, EveryTruncationThrows) {
  for (const char* name : {"jpeg_420", "jpeg_progressive", "jpeg_exif_6"})
    check_truncations("images.safetensors", name, 0);
  for (const char* name : {"webp_lossy", "webp_lossless", "webp_animated"})
    check_truncations("webp_bmp_gif.safetensors", name, 0);
}

// The spare bytes of files that Pillow writes: the checksums of the compressed data and of its
// chunk, and the IEND chunk; the padding of the last row; the end of the blocks and of the file.
TEST(Image, ReadsFilesTruncatedAfterTheLastPixel) {
  for (const char* name : {"png_rgb", "png_grey_16", "png_rgba_16_interlaced", "png_palette_4",
                           "png_interlaced_5x9", "png_interlaced_3x2"})
    check_truncations("images.safetensors", name, 20);
  check_truncations("webp_bmp_gif.safetensors", "bmp_rgb", 1);  // 37 x 3 of 112 bytes
  check_truncations("webp_bmp_gif.safetensors", "bmp_rle8", 2);
  for (const char* name : {"gif_16", "gif_16_interlaced"})
    check_truncations("webp_bmp_gif.safetensors", name, 3);
}

TEST(Image, ResizesAsPillowDoes) {
  auto fixture = SafetensorsFile::open(kImageData + "resize.safetensors");
  const std::map<std::string, Resample> filters = {{"nearest", Resample::nearest},
                                                   {"lanczos", Resample::lanczos},
                                                   {"bilinear", Resample::bilinear},
                                                   {"bicubic", Resample::bicubic}};
  int checked = 0;
  for (const auto& [name, info] : fixture->tensors()) {
    auto first = name.find('/'), second = name.find('/', first + 1);
    if (second == std::string::npos) continue;
    SCOPED_TRACE(name);
    auto source = image_of(fixture->tensor(name.substr(0, first) + "/source"));
    auto expected = image_of(fixture->tensor(name));
    auto filter = filters.at(name.substr(first + 1, second - first - 1));
    EXPECT_TRUE(same(resize(source, expected.width, expected.height, filter), expected));
    ++checked;
  }
  EXPECT_GT(checked, 45);
}

std::string hash_of(const Image& image) {
  return Hasher().update(image.rgb.data(), image.rgb.size()).hex();
}

TEST(Image, DecodesAndResizesPhotosAsPillowDoes) {
  const std::string folder = EMEND_SHARED_DIR "/data/mmedit/val2014/";
  auto photos = read_json(kImageData + "photos.json");
  int seen = 0;
  for (const auto& [name, expected] : photos.items()) {
    if (!fs::exists(folder + name)) continue;
    SCOPED_TRACE(name);
    ++seen;
    auto photo = read_image(folder + name);
    EXPECT_EQ(expected["size"], nlohmann::json({photo.width, photo.height}));
    EXPECT_EQ(expected["rgb"], hash_of(photo));
    EXPECT_EQ(expected["bicubic_224"], hash_of(resize(photo, 224, 224)));
    EXPECT_EQ(expected["rows_first_224"],
              hash_of(resize(resize(photo, 224, photo.height), 224, 224)));
    EXPECT_EQ(expected["bicubic_700x901"], hash_of(resize(photo, 700, 901)));
    EXPECT_EQ(expected["bilinear_364"], hash_of(resize(photo, 364, 364, Resample::bilinear)));
    EXPECT_EQ(expected["nearest_99x301"], hash_of(resize(photo, 99, 301, Resample::nearest)));
  }
  if (!seen) GTEST_SKIP() << "no photos in " << folder;
  RecordProperty("photos", seen);
}

TEST(Image, RefusesWhatIsNotAPicture) {
  EXPECT_NE(image_error({}).find("is empty"), std::string::npos);
  EXPECT_NE(
      image_error({'I', 'I', '*', 0, 8, 0, 0, 0}).find("a TIFF picture. Hint: supported formats"),
      std::string::npos);
  EXPECT_NE(image_error({1, 2, 3, 4, 5, 6, 7, 8}).find("not a picture"), std::string::npos);
  EXPECT_NE(image_error({'P', 'K', 3, 4, 5, 6, 7, 8}).find("a ZIP archive"), std::string::npos);
  EXPECT_THROW(read_image("/nowhere/picture.png"), Error);
  EXPECT_THROW(read_image("/"), Error);
  EXPECT_THROW(read_image("/dev/zero"), Error);
}

// The smallest file that claims a size. It must be refused before memory is allocated.
TEST(Image, RefusesExcessiveSizesBeforeDecoding) {
  std::vector<uint8_t> jpeg = {0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 0xea, 0x60, 0xea, 0x60, 1, 1,
                               0x11, 0,    0xff, 0xda, 0, 8,  1, 1,    0,    0,    63,   0};
  EXPECT_NE(image_error(jpeg).find("60000 x 60000 pixels"), std::string::npos) << image_error(jpeg);
  jpeg[7] = jpeg[9] = 0x20;  // valid, but 8288 x 8288 pixels do not fit into 25 bytes
  EXPECT_NE(image_error(jpeg).find("has only 25 bytes"), std::string::npos) << image_error(jpeg);

  jpeg[3] = 0xc9;  // arithmetic coding
  EXPECT_NE(image_error(jpeg).find("has only 25 bytes"), std::string::npos) << image_error(jpeg);

  Image small{2, 2, std::vector<uint8_t>(12, 7)};
  auto png = encode_png(small, "small");
  auto claim = [&](uint32_t side) {
    auto file = png;
    for (int at : {16, 20})
      for (int i = 0; i < 4; ++i) file[at + i] = static_cast<uint8_t>(side >> (24 - 8 * i));
    // The checksum of the header (CRC-32 of 17 bytes) must be correct.
    uint32_t crc = ~0u;
    for (int i = 12; i < 29; ++i) {
      crc ^= file[i];
      for (int k = 0; k < 8; ++k) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    crc = ~crc;
    for (int i = 0; i < 4; ++i) file[29 + i] = static_cast<uint8_t>(crc >> (24 - 8 * i));
    return image_error(file);
  };
  EXPECT_NE(claim(100000).find("100000 x 100000 pixels"), std::string::npos) << claim(100000);
  EXPECT_NE(claim(13000).find("13000 x 13000 pixels; the limits are"), std::string::npos)
      << claim(13000);
  EXPECT_NE(claim(9000).find("has only"), std::string::npos) << claim(9000);
  EXPECT_NE(claim(0x7fffffff).find("2147483647"), std::string::npos) << claim(0x7fffffff);
}

std::vector<uint8_t> little_endian(std::initializer_list<std::pair<uint32_t, int>> numbers) {
  std::vector<uint8_t> bytes;
  for (const auto& [value, size] : numbers)
    for (int i = 0; i < size; ++i) bytes.push_back(static_cast<uint8_t>(value >> 8 * i));
  return bytes;
}

TEST(Image, RefusesExcessiveSizesOfWebpBmpAndGifBeforeDecoding) {
  const auto bmp = [](uint32_t width, uint32_t height) {
    return image_error(little_endian({{'B' | 'M' << 8, 2},
                                      {54, 4},
                                      {0, 4},
                                      {54, 4},
                                      {40, 4},
                                      {width, 4},
                                      {height, 4},
                                      {1, 2},
                                      {24, 2},
                                      {0, 4},
                                      {0, 4},
                                      {0, 4},
                                      {0, 4},
                                      {0, 4},
                                      {0, 4}}));
  };
  EXPECT_NE(bmp(13000, 13000).find("13000 x 13000 pixels; the limits are"), std::string::npos);
  EXPECT_NE(bmp(200000, 1).find("200000 x 1 pixels; the limits are 100000 on each side"),
            std::string::npos);
  EXPECT_NE(bmp(9000, 9000).find("truncated"), std::string::npos) << bmp(9000, 9000);
  EXPECT_NE(bmp(0, 5).find("0 x 5 pixels"), std::string::npos);

  const auto gif = [](uint32_t width, uint32_t height) {
    auto bytes = little_endian({{0x38464947, 4},
                                {'9' | 'a' << 8, 2},
                                {width, 2},
                                {height, 2},
                                {0, 3},
                                {',', 1},
                                {0, 4},
                                {width, 2},
                                {height, 2},
                                {0, 1},
                                {8, 1}});
    return image_error(bytes);
  };
  EXPECT_NE(gif(13000, 13000).find("13000 x 13000 pixels; the limits are"), std::string::npos);
  EXPECT_NE(gif(9000, 9000).find("has only"), std::string::npos) << gif(9000, 9000);

  const auto webp = [](uint32_t side) {  // lossless: its header has 14 bits for each side
    const uint32_t sides = (side - 1) | (side - 1) << 14;
    auto bytes = little_endian({{0x46464952, 4},
                                {4 + 8 + 6, 4},
                                {0x50424557, 4},
                                {0x4c385056, 4},
                                {6, 4},
                                {0x2f, 1},
                                {sides, 4},
                                {0, 1}});
    return image_error(bytes);
  };
  EXPECT_NE(webp(13000).find("13000 x 13000 pixels; the limits are"), std::string::npos)
      << webp(13000);
  EXPECT_NE(webp(10).find("cannot be decoded"), std::string::npos) << webp(10);
}

TEST(Image, ReadsPanoramasAndPhotosOfFiftyMegapixels) {
  for (const auto& [width, height] : {std::pair{60000, 3}, std::pair{3, 60000}}) {
    Image image{width, height, std::vector<uint8_t>(size_t(width) * height * 3, 9)};
    auto file = encode_png(image, "wide");
    EXPECT_TRUE(same(decode_image(file.data(), file.size(), "wide"), image));
  }
  Image photo{8660, 5773, {}};
  photo.rgb.resize(size_t(photo.width) * photo.height * 3);
  for (size_t i = 0; i < photo.rgb.size(); ++i) photo.rgb[i] = static_cast<uint8_t>(i / 9000);
  auto file = encode_png(photo, "photo");
  EXPECT_EQ(decode_image(file.data(), file.size(), "photo").rgb.size(), photo.rgb.size());
}

TEST(Image, WritesPngThatCanBeReadBack) {
  auto fixture = SafetensorsFile::open(kImageData + "images.safetensors");
  auto image = image_of(fixture->tensor("jpeg_420/rgb"));
  auto folder = fs::path(testing::TempDir()) / "emend_image_test";
  fs::create_directories(folder);
  auto path = (folder / "out.png").string();
  write_png(path, image);
  EXPECT_TRUE(same(read_image(path), image));
  EXPECT_THROW(write_png(path, {3, 3, std::vector<uint8_t>(5)}), Error);
  EXPECT_THROW(write_png(path, {-3, 3, {}}), Error);
  EXPECT_TRUE(same(read_image(path), image)) << "a failed write must leave the old file";
  EXPECT_EQ(1, std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
  fs::remove_all(folder);
}

TEST(Image, ResizeRefusesInvalidArguments) {
  Image image{2, 2, std::vector<uint8_t>(12)};
  EXPECT_THROW(resize(image, 0, 5), Error);
  EXPECT_THROW(resize(image, 5, -1), Error);
  EXPECT_THROW(resize(image, 1 << 30, 1 << 30), Error);
  EXPECT_THROW(resize({}, 4, 4), Error);
  Image tall{1, 100000, std::vector<uint8_t>(300000)};
  EXPECT_EQ(100000u * 3,
            resize(tall, 100000, 1).rgb.size());  // not 100000 x 100000 after the first pass
}

TEST(Image, DamagedExifMeansUpright) {
  std::vector<uint8_t> block = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3,
                                0,   1,   0,  0, 0, 6, 0, 0, 0, 0, 0,    0, 0};
  EXPECT_EQ(6, exif_orientation(block.data(), block.size()));
  for (size_t size = 0; size < 22; ++size) EXPECT_EQ(1, exif_orientation(block.data(), size));
  block[18] = 9;
  EXPECT_EQ(1, exif_orientation(block.data(), block.size()));
  block[18] = 6;
  block[4] = 0xff, block[7] = 0xff;
  EXPECT_EQ(1, exif_orientation(block.data(), block.size()));
}

}  // namespace
}  // namespace emend
