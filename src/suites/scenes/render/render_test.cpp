#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <set>

#include "io/error.h"
#include "suites/random.h"
#include "suites/scenes/render/raster.h"
#include "suites/scenes/scenes.h"

namespace emend::scenes {
namespace {

uint64_t fnv(const Image& image) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (uint8_t byte : image.rgb) hash = (hash ^ byte) * 0x100000001b3u;
  return hash;
}

std::array<int, 3> pixel(const Image& image, int x, int y) {
  const uint8_t* p = &image.rgb[(size_t(y) * image.width + x) * 3];
  return {p[0], p[1], p[2]};
}

double distance(const Image& a, const Image& b) {
  double sum = 0;
  for (size_t i = 0; i < a.rgb.size(); ++i) sum += std::abs(int(a.rgb[i]) - int(b.rgb[i]));
  return sum / double(a.rgb.size());
}

TEST(ScenesRender, SceneGivesTheSameBytesOnEveryMachine) {
  // One of each background, shape and body. The hashes change if a drawing changes, or if a machine
  // has other arithmetic, which must not happen.
  uint64_t all = 0, small = 0;
  for (int i = 0; i < 48; ++i) {
    Scene scene;
    scene.background = i % 6;
    scene.jitter = mix(i);
    scene.objects = {{i % 6, i % 8, i / 6 % 2, i % 9}};
    if (i % 2 == 1) {
      scene.creature = i;
      scene.creature_place = (i % 9 % 3 + 1) % 3;
    }
    auto image = render(scene);
    ASSERT_EQ(image.width, 224);
    ASSERT_EQ(image.rgb.size(), size_t(224) * 224 * 3);
    EXPECT_EQ(fnv(image), fnv(render(scene)));
    all = mix(all ^ fnv(image));
    small = mix(small ^ fnv(render(scene, 64)));
  }
  EXPECT_EQ(all, 2940092658403020449u);
  EXPECT_EQ(small, 5636011785184451535u);
}

TEST(ScenesRender, ObjectsHaveTheirColorAtTheirPlace) {
  // The range of each channel at the center of a shape, by color.
  struct Range {
    int low[3], high[3];
  };
  static constexpr Range ranges[8] = {
      {{180, 0, 0}, {255, 90, 100}},      {{215, 100, 0}, {255, 175, 90}},
      {{215, 185, 0}, {255, 245, 120}},   {{0, 120, 30}, {90, 185, 120}},
      {{0, 50, 170}, {100, 130, 255}},    {{110, 20, 150}, {180, 110, 225}},
      {{215, 215, 215}, {255, 255, 255}}, {{10, 10, 10}, {85, 85, 90}}};
  for (int shape = 0; shape < 5; ++shape)  // the center of the moon is on its edge
    for (int color = 0; color < 8; ++color)
      for (int k = 0; k < 6; ++k) {
        Scene scene;
        int place = (shape * 8 + color + k) % 9;
        scene.objects = {{shape, color, k % 2, place}};
        scene.background = k;
        scene.jitter = mix(shape * 100 + color * 10 + k);
        auto image = render(scene);
        auto [r, g, b] = pixel(image, (2 * (place % 3) + 1) * 37, (2 * (place / 3) + 1) * 37 + 3);
        const auto& range = ranges[color];
        int rgb[3] = {r, g, b};
        for (int c = 0; c < 3; ++c) {
          EXPECT_GE(rgb[c], range.low[c]) << shapes()[shape] << " " << colors()[color];
          EXPECT_LE(rgb[c], range.high[c]) << shapes()[shape] << " " << colors()[color];
        }
      }
}

TEST(ScenesRender, PlacesAndSizesAreDistinguishable) {
  // An object changes only its cell of the picture, and a large object many more pixels than a
  // small one.
  for (int shape = 0; shape < 6; ++shape)
    for (int place = 0; place < kPlaces; ++place) {
      std::array<int, 2> area{};
      for (int size = 0; size < 2; ++size) {
        Scene bare, scene;
        bare.jitter = scene.jitter = mix(place);
        scene.objects = {{shape, 0, size, place}};
        auto a = render(bare), b = render(scene);
        int inside = 0, outside = 0;
        for (int y = 0; y < 224; ++y)
          for (int x = 0; x < 224; ++x) {
            auto p = pixel(a, x, y), q = pixel(b, x, y);
            if (std::abs(p[0] - q[0]) + std::abs(p[1] - q[1]) + std::abs(p[2] - q[2]) < 60)
              continue;
            bool own = x * 3 / 224 == place % 3 && y * 3 / 224 == place / 3;
            ++(own ? inside : outside);
          }
        EXPECT_GT(inside, 300);
        EXPECT_LT(outside, inside / 20);
        area[size] = inside;
      }
      EXPECT_GT(area[1], 2 * area[0]) << shapes()[shape];
    }
}

TEST(ScenesRender, BackgroundsShapesAndCreaturesLookDifferent) {
  auto differ = [](const std::vector<Image>& images, double least) {
    for (size_t i = 0; i < images.size(); ++i)
      for (size_t j = i + 1; j < images.size(); ++j)
        EXPECT_GT(distance(images[i], images[j]), least) << i << " and " << j;
  };
  std::vector<Image> grounds, figures, beings;
  for (int i = 0; i < 6; ++i) {
    Scene scene;
    scene.background = i;
    grounds.push_back(render(scene, 64));
    scene.background = 2;
    scene.objects = {{i, 0, 1, 4}};
    figures.push_back(render(scene, 64));
  }
  for (int i = 0; i < 48; ++i) {
    Scene scene;
    scene.creature = i;
    beings.push_back(render(scene, 64));
  }
  differ(grounds, 15);
  differ(figures, 0.6);
  differ(beings, 1.5);
}

TEST(ScenesRender, JitterChangesThePictureAndSizesAgree) {
  Rng rng(3);
  for (int i = 0; i < 30; ++i) {
    auto scene = draw_scene(Split::pretrain, rng);
    auto first = render(scene);
    scene.jitter ^= 1;
    EXPECT_NE(fnv(first), fnv(render(scene)));
    // The same scene at half the size gives the same picture.
    auto large = render(scene, 128), small = render(scene, 64);
    double sum = 0;
    for (int y = 0; y < 64; ++y)
      for (int x = 0; x < 64; ++x)
        for (int c = 0; c < 3; ++c) {
          int mean = 0;
          for (int k = 0; k < 4; ++k) mean += pixel(large, 2 * x + k % 2, 2 * y + k / 2)[c];
          sum += std::abs(mean / 4.0 - pixel(small, x, y)[c]);
        }
    EXPECT_LT(sum / (64 * 64 * 3), 4.5);
  }
}

TEST(ScenesRender, RefusesIndicesOutOfRange) {
  EXPECT_THROW(render({}, 0), Error);
  EXPECT_THROW(render({}, 1 << 20), Error);
  Scene scene;
  scene.objects = {{6, 0, 0, 0}};
  EXPECT_THROW(render(scene), Error);
  scene.objects = {{0, 0, 0, 9}};
  EXPECT_THROW(render(scene), Error);
  scene.objects.clear();
  scene.creature = 48;
  EXPECT_THROW(render(scene), Error);
  scene.creature = -2;
  EXPECT_THROW(render(scene), Error);
}

TEST(Raster, DistancesAreNegativeInsideAndExactOutside) {
  using namespace raster;
  EXPECT_FLOAT_EQ(circle({3, 4}, 2), 3);
  EXPECT_FLOAT_EQ(box({5, 0}, {2, 2}, 0), 3);
  EXPECT_LT(box({0.5f, 0.5f}, {2, 2}, 0.5f), 0);
  EXPECT_FLOAT_EQ(capsule({0, 3}, {-1, 0}, {1, 0}, 1), 2);
  std::array<Vec, 3> corners = {{{0, 0}, {4, 0}, {0, 4}}};
  EXPECT_FLOAT_EQ(polygon({1, 1}, corners), -1);
  EXPECT_FLOAT_EQ(polygon({-3, -4}, corners), 5);
  EXPECT_NEAR(ellipse({6, 0}, {4, 2}), 2, 1);
  EXPECT_NEAR(ellipse({4, 0}, {4, 2}), 0, 1e-6);
  for (float t : {0.0f, 0.1f, 0.25f, 0.6f, 1.3f})
    EXPECT_NEAR(wave(t), std::sin(2 * 3.14159265 * t), 0.06);
}

}  // namespace
}  // namespace emend::scenes
