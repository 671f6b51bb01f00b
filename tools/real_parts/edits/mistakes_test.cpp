#include "mistakes.h"

#include <gmock/gmock.h>

#include "io/files/file.h"
#include "io/files/path.h"
#include "io/json/json.h"
#include "io/testing.h"
#include "suites/suite.h"
#include "tests/tiny_resnet_llama.h"

namespace emend::photos {
namespace {

using ::testing::HasSubstr;

// A tiny model with random weights, whose answers are never right, and generated photos.
class MistakesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    make_folders(folder_.file("model"));
    emend::testing::write_tiny_resnet_llama(folder_.file("model"));
    vlm_ = load_vlm(folder_.file("model"));
    for (int i = 1; i <= 5; ++i) {
      const auto path = folder_.file(std::to_string(i) + ".png");
      Image image{16, 16, {}};
      for (int j = 0; j < 768; ++j) image.rgb.push_back(static_cast<uint8_t>(i * j));
      write_png(path, image);
      photos_.push_back({"daquar/image" + std::to_string(100 * i),
                         path,
                         {"a cat " + std::to_string(i), "the cat"},
                         {{"What is on the table?", "cup"}, {"How many cups are there?", "2"}}});
    }
    options_.folder = folder_.file("suite");
  }
  size_t write() {
    compute_features(vlm_, photos_, folder_.file("features"), parts_);
    const PhotoFeatures features(folder_.file("features"), parts_, {photos_});
    return write_mistakes(vlm_, features, photos_, photos_, {{"who", "Ann"}}, options_);
  }

  TemporaryFolder folder_;
  Vlm vlm_;
  std::map<std::string, std::string> parts_ = {{"resnet50", "a"}, {"smollm2", "b"}};
  std::vector<Photo> photos_;
  MistakeOptions options_;
};

TEST_F(MistakesTest, AreASuiteOfQuestions) {
  EXPECT_EQ(write(), 5u);
  SuiteOptions suite;
  suite.data = options_.folder;
  EXPECT_EQ(open_suite("photo-vqa", suite)->size(), 5u);
  suite.split = "near";
  EXPECT_EQ(open_suite("photo-vqa", suite)->size(), 5u);
  const auto first = read_file(options_.folder + "/eval.json");
  options_.folder = folder_.file("again");
  write();
  EXPECT_EQ(read_file(options_.folder + "/eval.json"), first) << "the same seed";
  options_.seed = 2;
  write();
  EXPECT_NE(read_file(options_.folder + "/eval.json"), first);
}

TEST_F(MistakesTest, AreASuiteOfCaptions) {
  options_.captions = true;
  options_.split = "train";
  options_.limit = 3;
  EXPECT_EQ(write(), 3u);
  const auto rows = read_json(options_.folder + "/train.json");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].at("src"), "a photo of");
  EXPECT_FALSE(path_exists(options_.folder + "/near.json")) << "only for testing";
}

TEST_F(MistakesTest, RefuseAnEmptyResult) {
  for (auto& photo : photos_) photo.questions = {{"Why?", "cup"}};
  const auto error = error_of([&] { write(); });
  EXPECT_THAT(error, HasSubstr("no mistake on 0 photos"));
  EXPECT_EQ(error.find('\n'), error.npos);
  EXPECT_FALSE(path_exists(options_.folder + "/eval.json"));
}

TEST_F(MistakesTest, RefuseATextOnlyModel) {
  make_folders(folder_.file("text"));
  emend::testing::write_tiny_llama(folder_.file("text"));
  vlm_ = load_vlm(folder_.file("text"));
  EXPECT_THAT(error_of([&] { write(); }), HasSubstr("is a text-only model"));
}

TEST_F(MistakesTest, RefuseOtherFeatures) {
  write();
  parts_["resnet50"] = "another";
  EXPECT_THAT(error_of([&] { write(); }), HasSubstr("features of another vision tower"));
}

}  // namespace
}  // namespace emend::photos
