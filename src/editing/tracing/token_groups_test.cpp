#include "editing/tracing/token_groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tiny_models.h"

namespace emend {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

class TokenGroupsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    testing::write_tiny_vlm(folder_->path());  // every byte is a token
    vlm_ = std::make_unique<Vlm>(load_vlm(folder_->path()));
  }
  static void TearDownTestSuite() {
    vlm_.reset();
    folder_.reset();
  }
  static std::vector<int64_t> ids(const std::string& text) {
    return vlm_->processor.tokenizer->encode(text, /*special=*/true);
  }
  static std::pair<int64_t, int64_t> find(const std::string& text, const std::string& words) {
    return find_words(*vlm_->processor.tokenizer, ids(text), words);
  }

  inline static std::unique_ptr<TemporaryFolder> folder_;
  inline static std::unique_ptr<Vlm> vlm_;
};

TEST_F(TokenGroupsTest, FindsWords) {
  const auto begin = static_cast<int64_t>(ids("x").size()) - 1;  // BOS
  ASSERT_EQ(begin, 1);
  EXPECT_THAT(find("the cat sat", "cat"), Pair(begin + 4, begin + 7));
  EXPECT_THAT(find("the cat sat", " cat "), Pair(begin + 4, begin + 7));
  EXPECT_THAT(find("concatenate the cat", "cat"), Pair(begin + 16, begin + 19))
      << "not within a longer word";
  EXPECT_THAT(find("concatenate", "cat"), Pair(begin + 3, begin + 6));
  EXPECT_THAT(find("der Käfer, rot", "Käfer"), Pair(begin + 4, begin + 10));
  EXPECT_THAT(find("the cat", "dog"), Pair(0, 0));
  EXPECT_THAT(find("the cat", " "), Pair(0, 0));
}

TEST_F(TokenGroupsTest, DividesARow) {
  Row row;
  row.ids = {kImageToken, kImageToken, kImageToken, kImageToken};
  for (auto id : ids("Q: a cat? A:")) row.ids.push_back(id);
  row.prompt_length = static_cast<int64_t>(row.ids.size());
  row.ids.push_back(row.ids.back());
  const auto groups = token_groups(*vlm_, row, "a cat?", "cat", PictureGrid(2, 4, 0, 0));
  std::vector<std::string> names;
  std::vector<std::vector<int64_t>> positions;
  for (const auto& group : groups) {
    names.push_back(group.name);
    positions.push_back(group.positions);
  }
  EXPECT_THAT(names,
              ElementsAre("image", "image 1,1", "image 1,2", "image 2,1", "image 2,2", "template",
                          "subject", "subject last", "question", "last", "answer"));
  EXPECT_THAT(positions[0], ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(positions[3], ElementsAre(2));
  EXPECT_THAT(positions[5], ElementsAre(4, 5, 6, 7, 14, 15));  // BOS, `Q: `, ` A`
  EXPECT_THAT(positions[6], ElementsAre(10, 11, 12));
  EXPECT_THAT(positions[7], ElementsAre(12));
  EXPECT_THAT(positions[8], ElementsAre(8, 9, 13));
  EXPECT_THAT(positions[9], ElementsAre(16));
  EXPECT_THAT(positions[10], ElementsAre(17));
}

TEST(PictureGrid, PlacesTokens) {
  using Cell = std::pair<int64_t, int64_t>;
  const PictureGrid patches(2, 17, 0, 0);  // a class token and 4 x 4 patches
  EXPECT_EQ(patches.cell(0), std::nullopt);
  EXPECT_EQ(patches.cell(1), Cell(0, 0));
  EXPECT_EQ(patches.cell(3), Cell(0, 1));
  EXPECT_EQ(patches.cell(16), Cell(1, 1));
  const PictureGrid tiles(4, 4, 1, 2);  // two tiles side by side, then the whole picture
  EXPECT_EQ(tiles.cell(0), Cell(1, 0));
  EXPECT_EQ(tiles.cell(3), Cell(3, 1));
  EXPECT_EQ(tiles.cell(5), Cell(1, 3));
  EXPECT_EQ(tiles.cell(8), Cell(1, 1));
  EXPECT_EQ(tiles.cell(11), Cell(3, 3));
  EXPECT_TRUE(PictureGrid(2, 20, 0, 0).empty());
  EXPECT_TRUE(PictureGrid(0, 16, 0, 0).empty());
}

}  // namespace
}  // namespace emend
