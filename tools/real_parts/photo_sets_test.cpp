#include "photo_sets.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "io/testing.h"

namespace emend::photos {
namespace {

using ::testing::HasSubstr;

class PhotoSetsTest : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_.file("images")); }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_.file(name)) << text;
  }
  std::string daquar_error() {
    return error_of([&] { read_daquar(folder_.path(), /*test=*/true); });
  }

  TemporaryFolder folder_;
};

TEST_F(PhotoSetsTest, ReadDaquar) {
  write("all_qa_pairs.txt",
        "what is under the table in the image12 ?\ngarbage_bin\nhow many in the image3 ?\n2\n");
  write("test_images.txt", "image12\n");
  write("images/image12.jpg", "a picture");
  const auto photos = read_daquar(folder_.path(), /*test=*/true);
  ASSERT_EQ(photos.size(), 1u);
  EXPECT_EQ(photos[0].name, "daquar/image12");
  ASSERT_EQ(photos[0].questions.size(), 1u);
  EXPECT_EQ(photos[0].questions[0].text, "What is under the table?");
  EXPECT_EQ(photos[0].questions[0].answer, "garbage bin");
}

TEST_F(PhotoSetsTest, RefuseMissingPhotosAndOtherLayouts) {
  EXPECT_THAT(daquar_error(), HasSubstr("test_images.txt"));
  write("test_images.txt", "image12\n");
  EXPECT_THAT(daquar_error(), HasSubstr("all_qa_pairs.txt"));
  write("all_qa_pairs.txt", "what is it in the image12 ?\nlamp\n");
  EXPECT_THAT(daquar_error(), HasSubstr("image12.jpg', which does not exist"));
  write("images/image12.jpg", "a picture");
  EXPECT_EQ(daquar_error(), "no error");
  write("all_qa_pairs.txt", "question,answer,image_id\nwhat is it,lamp,image12\n");
  EXPECT_THAT(daquar_error(), HasSubstr("where lines of questions and answers alternate"));

  const auto flickr8k = [&] {
    return error_of([&] { read_flickr8k(folder_.path(), Split::test); });
  };
  EXPECT_THAT(flickr8k(), HasSubstr("captions.txt"));
  write("captions.txt", "image|caption\na.jpg|a dog\n");
  EXPECT_THAT(flickr8k(), HasSubstr("does not begin with `image,caption`"));
  write("captions.txt", "image,caption\na.jpg,a dog\n");
  EXPECT_THAT(flickr8k(), HasSubstr("has only 1 photos"));
  for (const auto& error : {daquar_error(), flickr8k()})
    EXPECT_EQ(error.find('\n'), error.npos) << error;
}

TEST_F(PhotoSetsTest, ReadCocoWithLicenses) {
  const auto error = [&] { return error_of([&] { read_coco(folder_.path()); }); };
  write("captions.json",
        R"([{"id": "7", "license": "CC-BY-2.0", "source": "http://x/7.jpg",
             "captions": ["A dog runs ."]}])");
  EXPECT_THAT(error(), HasSubstr("7.jpg', which does not exist"));
  write("images/7.jpg", "a picture");
  const auto photos = read_coco(folder_.path());
  ASSERT_EQ(photos.size(), 1u);
  EXPECT_EQ(photos[0].name, "coco/7.jpg");
  EXPECT_EQ(photos[0].license, "CC-BY-2.0");
  EXPECT_EQ(photos[0].captions, std::vector<std::string>{"a dog runs"});
  write("captions.json", R"({"images": [], "annotations": []})");
  EXPECT_THAT(error(), HasSubstr("is not a list of photos"));
  write("captions.json", R"([{"id": "7", "source": "", "captions": []}])");
  EXPECT_THAT(error(), HasSubstr("license"));
}

TEST(CaptionText, HasNoSpacesBeforePunctuation) {
  EXPECT_EQ(caption_text("A dog , in a man 's yard ."), "a dog, in a man's yard");
  EXPECT_EQ(caption_text("TV on a table"), "TV on a table");
  EXPECT_EQ(caption_text(" . "), "");
}

}  // namespace
}  // namespace emend::photos
