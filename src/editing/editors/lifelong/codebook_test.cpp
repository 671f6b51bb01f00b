#include "editing/editors/lifelong/codebook.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "editing/testing/tiny_vlm_test.h"
#include "io/error.h"
#include "io/tensors/safetensors.h"

namespace emend {
namespace {

using ::testing::DoubleEq;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CodebookTest : public testing::TinyVlmTest {
 protected:
  static constexpr const char* kSite = "language_model.model.decoder.layers.0.fc2";

  // Keys in the plane of the first two inputs of the site, with one value for each.
  struct Point2 {
    float x, y;
    std::string label;
  };
  static Patch patch(const std::vector<Point2>& points, const nlohmann::json& settings) {
    const auto& site = vlm_->model->site(kSite);
    Patch patch;
    patch.editor = "grace";
    patch.settings = settings;
    patch.memory.reading = {{"site", kSite}};
    for (const auto& point : points) {
      MemoryEntry entry;
      entry.name = std::to_string(patch.memory.entries.size());
      entry.facts = {{"target", point.label}};
      entry.tensors = {{"key", query(point.x, point.y)},
                       {"value", at::full({1, 1, site.out}, point.x)}};
      patch.memory.entries.push_back(entry);
    }
    return patch;
  }
  static Codebook codebook(const std::vector<Point2>& points,
                           const nlohmann::json& settings = {{"eps", 1}}) {
    return {*vlm_->model, patch(points, settings)};
  }
  static at::Tensor query(float x, float y) {
    auto key = at::zeros({1, vlm_->model->site(kSite).in});
    key[0][0] = x;
    key[0][1] = y;
    return key;
  }
};

TEST_F(CodebookTest, QuestionsWithinTheRadiusOfTheNearestKeyMatch) {
  const auto book = codebook({{0, 0, " a"}, {5, 0, " b"}});
  EXPECT_THAT(book.radii(), ElementsAre(1, 1));
  EXPECT_THAT(book.match(at::cat({query(0, 0.9F), query(0, 1.1F), query(4.5F, 0), query(2.5F, 0)})),
              ElementsAre(0, -1, 1, -1));
}

TEST_F(CodebookTest, KeysWithDifferentAnswersShareTheDistanceBetweenThem) {
  const auto book = codebook({{0, 0, " a"}, {1, 0, " b"}});
  EXPECT_THAT(book.radii(), ElementsAre(DoubleNear(0.5, 1e-5), DoubleEq(0.5)));
  EXPECT_LT(book.radii()[0], 0.5);
  EXPECT_THAT(book.match(at::cat({query(0.4F, 0), query(0.6F, 0), query(0, 0.7F)})),
              ElementsAre(0, 1, -1));
}

TEST_F(CodebookTest, KeysWithTheSameAnswerGrow) {
  EXPECT_THAT(codebook({{0, 0, " a"}, {1.5F, 0, " a"}}).radii(), ElementsAre(1.5, 1));
  EXPECT_THAT(codebook({{0, 0, " a"}, {1.5F, 0, " a"}}, {{"eps", 1}, {"expand", false}}).radii(),
              ElementsAre(1, 1));
}

TEST_F(CodebookTest, ALaterEditNeverGrowsTheRegionOfAnotherAnswer) {
  // The second edit limits the first one to 0.1; the third is at the distance 0.9 from the first.
  const auto book = codebook({{0, 0, " a"}, {0.2F, 0, " b"}, {-0.9F, 0, " c"}});
  EXPECT_NEAR(book.radii()[0], 0.1, 1e-5);
}

TEST_F(CodebookTest, TheLaterAnswerToAQuestionWins) {
  const auto book = codebook({{3, 0, " a"}, {3, 0, " b"}});
  EXPECT_THAT(book.match(query(3, 0)), ElementsAre(1));
  EXPECT_THAT(book.match(query(3, 0.9F)), ElementsAre(1));
}

TEST_F(CodebookTest, RelativeRadiusIsAPartOfTheNormOfTheKey) {
  EXPECT_THAT(codebook({{0, 8, " a"}}, {{"eps", 0}, {"relative_eps", 0.25}}).radii(),
              ElementsAre(DoubleNear(2, 1e-6)));
}

TEST_F(CodebookTest, RadiiOfAnIndependentImplementation) {
  const auto file =
      SafetensorsFile::open(EMEND_SOURCE_DIR "/src/editing/testdata/lifelong.safetensors");
  const auto keys = file->tensor("codebook/keys"), labels = file->tensor("codebook/labels"),
             radii = file->tensor("codebook/radii");
  auto all = patch({}, {{"eps", 0.6}});
  for (int64_t i = 0; i < keys.size(0); ++i) {
    MemoryEntry entry;
    entry.name = std::to_string(i);
    entry.facts = {{"target", std::to_string(labels[i].item<int64_t>())}};
    auto key = query(0, 0);
    key.slice(1, 0, keys.size(1)).copy_(keys[i]);
    entry.tensors = {{"key", key}, {"value", at::zeros({1, 1, vlm_->model->site(kSite).out})}};
    all.memory.entries.push_back(entry);
  }
  const Codebook book(*vlm_->model, all);
  for (int64_t i = 0; i < keys.size(0); ++i)
    EXPECT_NEAR(book.radii()[static_cast<size_t>(i)], radii[i].item<double>(), 1e-5) << i;
}

TEST_F(CodebookTest, MalformedMemoriesAreErrors) {
  auto wrong = patch({{0, 0, " a"}}, {{"eps", 1}});
  wrong.memory.entries[0].tensors.erase("value");
  EXPECT_THAT(error_of([&] { Codebook(*vlm_->model, wrong); }), HasSubstr("value of entry '0'"));
  wrong.memory.entries[0].tensors["value"] = at::zeros({1, 1, 3});
  EXPECT_THAT(error_of([&] { Codebook(*vlm_->model, wrong); }), HasSubstr("value of entry '0'"));
  wrong.memory.reading = nlohmann::json::object();
  EXPECT_THAT(error_of([&] { Codebook(*vlm_->model, wrong); }), HasSubstr("site"));
}

}  // namespace
}  // namespace emend
