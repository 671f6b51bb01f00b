#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "io/testing.h"
#include "models/prompting/request_batch.h"
#include "tests/tiny_models.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

// Prompts with two pictures, on the tiny model of each architecture.
class PicturesTest : public ::testing::TestWithParam<testing::TinyModel> {
 protected:
  void SetUp() override {
    GetParam().write(folder_.path(), 0);
    vlm_ = load_vlm(folder_.path());
  }
  // {} in the text is the placeholder of a picture.
  Query query(const std::string& text, const std::vector<uint64_t>& pictures) const {
    Query query;
    for (const auto seed : pictures) query.add(*testing::noise_image(seed));
    query.text = text;
    const auto& placeholder = vlm_.processor.layout.placeholder;
    for (auto at = query.text.find("{}"); at != query.text.npos; at = query.text.find("{}"))
      query.text.replace(at, 2, placeholder);
    return query;
  }
  at::Tensor logits(const Query& query) const {
    return teacher_force(vlm_, {query}, {" a cat"})[0].logits;
  }
  std::string refusal(const Query& query) const {
    return error_of([&] { request_batch(vlm_, {query}, {}); });
  }

  TemporaryFolder folder_;
  Vlm vlm_;
};

class SeveralPicturesTest : public PicturesTest {};
// Models that process each picture as if it was alone in its prompt.
class PicturesAsAloneTest : public PicturesTest {};
class OnevisionPicturesTest : public PicturesTest {};
class OnePictureTest : public PicturesTest {};

TEST_P(SeveralPicturesTest, PositionsDependOnThePicturesBefore) {
  const auto two = query("One {} and {}?", {1, 2}), other = query(two.text, {1, 3});
  const auto row = request_batch(vlm_, {two}, {}).rows[0];
  std::vector<int64_t> image_tokens;
  for (size_t i = 0; i < row.ids.size(); ++i)
    if (row.ids[i] == kImageToken) image_tokens.push_back(static_cast<int64_t>(i));
  const auto second = image_tokens[image_tokens.size() / 2];  // the pictures have one size
  const auto one = logits(two), changed = logits(other);
  EXPECT_TRUE(at::allclose(one.slice(0, 0, second), changed.slice(0, 0, second), 1e-4, 1e-4));
  EXPECT_GT((one - changed).slice(0, second + 1).abs().max().item<double>(), 1e-3);
}

TEST_P(PicturesAsAloneTest, EachIsAtItsPlaceholder) {
  const auto two = query("One {} and {}?", {1, 2}), first = query("One {} and ", {1});
  const auto batch = request_batch(vlm_, {two, first}, {});
  const auto tiles = static_cast<int64_t>(batch.rows[1].images.size());
  std::vector<int64_t> images;
  for (int64_t tile = 0; tile < 2 * tiles; ++tile) images.push_back(tile);
  EXPECT_EQ(batch.rows[0].images, images);
  const auto count = [](const Row& row) {
    return std::count(row.ids.begin(), row.ids.end(), kImageToken);
  };
  EXPECT_EQ(count(batch.rows[0]), 2 * count(batch.rows[1]));  // the pictures have one size

  const auto both = logits(two), one = logits(first);
  const auto before = static_cast<int64_t>(batch.rows[1].ids.size());
  EXPECT_TRUE(at::allclose(both.slice(0, 0, before), one.slice(0, 0, before), 1e-4, 1e-4));
}

TEST_P(SeveralPicturesTest, PromptsMustPlaceEachOfThem) {
  EXPECT_THAT(refusal(query("What is this?", {1, 2})), HasSubstr("where its 2 pictures are"));
  EXPECT_THAT(refusal(query("{} What is this?", {1, 2})), HasSubstr("once for each picture"));
  EXPECT_THAT(refusal(query("{}{}{} What?", {1, 2})), HasSubstr("once for each picture"));
  EXPECT_EQ(refusal(query("{}{} What?", {1, 2})), "no error");
}

TEST_P(PicturesAsAloneTest, EqualPicturesAreEncodedOnce) {
  const auto batch = request_batch(vlm_, {query("{} or {}?", {1, 1}), query("{}?", {1})}, {});
  EXPECT_EQ(batch.pixels.size(), static_cast<int64_t>(batch.rows[1].images.size()));
}

// LLaVA-OneVision divides a picture into tiles only if it is alone in its prompt.
TEST_P(OnevisionPicturesTest, HaveOneTile) {
  const auto batch = request_batch(
      vlm_, {query("{} or {} or {}?", {1, 2, 1}), query("{} and {}?", {2, 3}), query("{}?", {1})},
      {});
  EXPECT_EQ(batch.rows[0].images, (std::vector<int64_t>{0, 1, 0}));
  EXPECT_EQ(batch.rows[1].images, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(batch.rows[2].images, (std::vector<int64_t>{3}));
  for (int64_t picture = 0; picture < 3; ++picture)
    EXPECT_EQ(vlm_.model->image_tokens(batch.pixels[picture]), 16 + 1);  // the newline embedding
  EXPECT_GT(vlm_.model->image_tokens(batch.pixels[3]), 16 + 16);
}

TEST_P(OnePictureTest, SeveralPicturesAreRefused) {
  EXPECT_THAT(refusal(query("What is this?", {1, 2})), HasSubstr("this model reads one"));
  EXPECT_EQ(refusal(query("What is this?", {1})), "no error");
  EXPECT_THROW(vlm_.processor.prompt("What is this?", 2), Error);
}

std::vector<testing::TinyModel> models_named(const std::set<std::string>& names) {
  std::vector<testing::TinyModel> models;
  for (const auto& model : testing::kTinyModels)
    if (names.count(model.name) > 0) models.push_back(model);
  return models;
}

std::string name_of(const ::testing::TestParamInfo<testing::TinyModel>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Architectures, SeveralPicturesTest,
                         ::testing::ValuesIn(models_named({"llava", "smolvlm", "qwen3_vl",
                                                           "llava_onevision"})),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Architectures, PicturesAsAloneTest,
                         ::testing::ValuesIn(models_named({"llava", "smolvlm", "qwen3_vl"})),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Architectures, OnevisionPicturesTest,
                         ::testing::ValuesIn(models_named({"llava_onevision"})), name_of);
INSTANTIATE_TEST_SUITE_P(Architectures, OnePictureTest,
                         ::testing::ValuesIn(models_named({"blip2", "minigpt4", "resnet_llama"})),
                         name_of);

}  // namespace
}  // namespace emend
