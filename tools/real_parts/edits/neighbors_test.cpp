#include "neighbors.h"

#include <gtest/gtest.h>

namespace emend::photos {
namespace {

Photo frame(int number, const std::vector<Question>& questions = {}) {
  return {"daquar/image" + std::to_string(number), "", {}, questions};
}

// A grid of two places whose mean is (x, y).
at::Tensor grid(double x, double y) {
  return at::tensor({x - 1, y + 1, x + 1, y - 1}, at::kFloat).view({2, 2}).to(at::kBFloat16);
}

TEST(PhotoNeighborsTest, AreTheMostSimilarOfTheAllowed) {
  const PhotoNeighbors neighbors({grid(3, 0), grid(8, 1), grid(0, 4), grid(5, 5)});
  EXPECT_NEAR(neighbors.similarity(0, 2), 0, 1e-6);
  EXPECT_NEAR(neighbors.similarity(0, 3), std::sqrt(0.5), 1e-6);
  EXPECT_EQ(neighbors.nearest(0, [](size_t) { return true; }), 1u);
  EXPECT_EQ(neighbors.nearest(0, [](size_t i) { return i != 1; }), 3u);
  EXPECT_EQ(neighbors.nearest(0, [](size_t) { return false; }), std::nullopt);
}

TEST(PhotoNeighborsTest, KnowTheNumbersOfFrames) {
  EXPECT_EQ(frame_number(frame(17)), 17);
  EXPECT_EQ(frame_number({"flickr8k/17.jpg", "", {}, {}}), std::nullopt);
  EXPECT_TRUE(may_be_same_room(frame(17), frame(37)));
  EXPECT_FALSE(may_be_same_room(frame(17), frame(38)));
  EXPECT_FALSE(may_be_same_room(frame(17), {"flickr8k/17.jpg", "", {}, {}}));
}

TEST(PhotoNeighborsTest, FindOtherFramesWithTheSameAnswer) {
  const std::vector<Question> asked = {{"What?", "bed"}, {"How many?", "2"}, {"Where?", "here"}};
  const std::vector<Photo> photos = {
      frame(5, asked),
      frame(6, {{"What?", "bed"}, {"How many?", "3"}, {"Where?", "here"}, {"Where?", "there"}}),
      frame(7, {{"How many?", "2"}}),  // looks different
      frame(9, {{"How many?", "2"}}),  // too far away
      {"flickr8k/6.jpg", "", {}, {}}};
  const PhotoNeighbors neighbors({grid(3, 0), grid(3, 1), grid(0, 3), grid(3, 0), grid(3, 0)});
  const auto frames = other_frames(0, photos, neighbors);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].question, 0u);
  EXPECT_EQ(frames[0].photo, 1u);
  EXPECT_TRUE(other_frames(4, photos, neighbors).empty());
}

}  // namespace
}  // namespace emend::photos
