#include "photo_views.h"

#include <gmock/gmock.h>

#include "io/error.h"

namespace emend::photos {
namespace {

using ::testing::Contains;
using ::testing::Not;

Image small() {
  Image image{10, 10, {}};
  for (int i = 0; i < 100; ++i)
    for (int c = 0; c < 3; ++c) image.rgb.push_back(static_cast<uint8_t>(2 * i + 10 * c));
  return image;
}

TEST(PhotoViews, AreOfTheSameSizeAndDifferent) {
  const auto image = small();
  for (const char* name : {"crop", "mirror", "gray", "lighter", "darker"}) {
    const auto view = view_of(image, name);
    EXPECT_EQ(view.width, 10) << name;
    EXPECT_EQ(view.height, 10) << name;
    ASSERT_EQ(view.rgb.size(), image.rgb.size()) << name;
    EXPECT_NE(view.rgb, image.rgb) << name;
  }
  EXPECT_THROW(view_of(image, "upside down"), Error);
}

TEST(PhotoViews, ChangeWhatTheirNamesSay) {
  const auto image = small();
  EXPECT_EQ(view_of(image, "mirror").rgb[0], image.rgb[27]);
  EXPECT_EQ(view_of(view_of(image, "mirror"), "mirror").rgb, image.rgb);
  EXPECT_EQ(view_of(image, "lighter").rgb[2], 26);
  EXPECT_EQ(view_of(image, "darker").rgb[2], 14);
  // 0.299 x 0 + 0.587 x 10 + 0.114 x 20
  for (size_t c = 0; c < 3; ++c) EXPECT_EQ(view_of(image, "gray").rgb[c], 8);
  Image framed{20, 20, std::vector<uint8_t>(1200, 0)};
  for (int y = 2; y < 18; ++y)
    for (int x = 2; x < 18; ++x) framed.rgb[static_cast<size_t>(y * 20 + x) * 3] = 200;
  for (size_t i = 0; i < 400; ++i) EXPECT_EQ(view_of(framed, "crop").rgb[3 * i], 200) << i;
}

TEST(PhotoViews, OfDarkAndBrightPhotosAreVisible) {
  const auto photo = [](uint8_t value) { return Image{2, 2, std::vector<uint8_t>(12, value)}; };
  EXPECT_EQ(visible_view(photo(20), "darker"), "lighter");
  EXPECT_EQ(visible_view(photo(20), "lighter"), "lighter");
  EXPECT_EQ(visible_view(photo(220), "lighter"), "darker");
  EXPECT_EQ(visible_view(photo(128), "darker"), "darker");
  EXPECT_EQ(visible_view(photo(20), "mirror"), "mirror");
}

TEST(PhotoViews, KeepTheAnswerRight) {
  EXPECT_THAT(possible_views("What is on the table? cup"), Contains("mirror"));
  EXPECT_THAT(possible_views("What is on the left? cup"), Not(Contains("mirror")));
  EXPECT_THAT(possible_views("What is on the red table? cup"), Not(Contains("gray")));
  EXPECT_THAT(possible_views("How many cups are on the table? 3"), Not(Contains("crop")));
  EXPECT_THAT(possible_views("What is in the corner? cup"), Not(Contains("crop")));
  EXPECT_THAT(possible_views("How many red cups are on the left? 3"),
              ::testing::ElementsAre("lighter", "darker"));
}

}  // namespace
}  // namespace emend::photos
