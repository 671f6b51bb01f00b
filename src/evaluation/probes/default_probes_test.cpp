#include "evaluation/probes/default_probes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "evaluation/probes/scenes_probes.h"
#include "io/error.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

TEST(DefaultProbesTest, ScenesHasOtherWordingsOfItsQuestions) {
  auto others = other_wordings("What color is the star?");
  EXPECT_FALSE(others.empty());
  for (const auto& text : others) {
    EXPECT_NE(text, "What color is the star?");
    EXPECT_THAT(text, ::testing::HasSubstr("star"));
    EXPECT_THAT(text, ::testing::HasSubstr("color"));
  }
  EXPECT_TRUE(other_wordings("What would Freud say?").empty());
}

TEST(DefaultProbesTest, GeneralProbesHaveQuestionsAndPhotos) {
  const auto probes = unrelated_probes({ProbeWorld::general, 1000, 1000}, 1, {});
  std::set<std::string> asked, photos;
  for (const auto& probe : probes) {
    EXPECT_TRUE(asked.insert(probe.image.path + probe.text).second) << probe.text;
    EXPECT_THAT(probe.text, ::testing::EndsWith("?"));
    EXPECT_FALSE(probe.answer.empty());
    EXPECT_EQ(probe.image.present(), probe.group == Group::image_locality);
    if (!probe.image.present()) continue;
    photos.insert(probe.image.path);
    EXPECT_EQ(probe.image.load().width, 320);
  }
  EXPECT_EQ(photos.size(), 7u);
  EXPECT_EQ(probes.size(), 64u + 23u);
}

TEST(DefaultProbesTest, SeedSelectsProbesWithoutRelatedQuestions) {
  auto texts = [](uint64_t seed, const std::set<std::string>& related) {
    std::vector<std::string> all;
    for (const auto& probe : unrelated_probes({ProbeWorld::general, 10, 10}, seed, related))
      all.push_back(probe.text);
    return all;
  };
  const auto some = texts(1, {});
  ASSERT_EQ(some.size(), 20u);
  EXPECT_EQ(some, texts(1, {}));
  EXPECT_NE(some, texts(2, {}));
  EXPECT_THAT(texts(1, {some[0], some[15]}),
              ::testing::Not(
                  ::testing::AnyOf(::testing::Contains(some[0]), ::testing::Contains(some[15]))));
}

TEST(DefaultProbesTest, FolderSelectsTheDefaultProbes) {
  EXPECT_EQ(probe_world(EMEND_SOURCE_DIR "/models/scenes-blip2"), ProbeWorld::scenes);
  TemporaryFolder folder;
  EXPECT_EQ(probe_world(folder.path()), ProbeWorld::general);
  testing::write_text(folder / "emend.json", R"({"default_probes": "general"})");
  EXPECT_EQ(probe_world(folder.path()), ProbeWorld::general);
  testing::write_text(folder / "emend.json", R"({"default_probes": "atlantis"})");
  EXPECT_THROW(probe_world(folder.path()), Error);
}

}  // namespace
}  // namespace emend
