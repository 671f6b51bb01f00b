#include "editing/targets/ffn_outputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/testing.h"
#include "models/vlm.h"
#include "tests/tiny_models.h"

namespace emend {
namespace {

using ::testing::AnyOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;

class FfnOutputsTest : public ::testing::TestWithParam<testing::TinyModel> {
 protected:
  void SetUp() override {
    GetParam().write(folder_.path(), 0);
    vlm_ = std::make_unique<Vlm>(load_vlm(folder_.path()));
  }
  const Model& model() const { return *vlm_->model; }
  int64_t blocks(const std::string& prefix) const {
    int64_t count = 0;
    for (const auto& stage : model().stages()) count += stage.name.starts_with(prefix);
    return count;
  }
  TemporaryFolder folder_;
  std::unique_ptr<Vlm> vlm_;
};

TEST_P(FfnOutputsTest, AreTheLastLayersOfTheBlocks) {
  const auto opt = std::string(GetParam().name) == "blip2";
  const auto language = ffn_outputs(model(), "language");
  EXPECT_EQ(static_cast<int64_t>(language.size()), blocks("language.block."));
  for (const auto& site : language) EXPECT_THAT(site.name, EndsWith(opt ? ".fc2" : ".down_proj"));
  if (!GetParam().sees) {
    for (const char* module : {"connector", "projector", "vision_tower"})
      EXPECT_THAT(error_of([&] { ffn_outputs(model(), module); }), HasSubstr("no default layers"));
    return;
  }
  const auto tower = ffn_outputs(model(), "tower");
  EXPECT_EQ(static_cast<int64_t>(tower.size()), blocks("vision_tower.block."));
  const bool convolutional = std::string(GetParam().name) == "resnet_llama";
  for (const auto& site : tower)
    EXPECT_THAT(site.name, AnyOf(EndsWith(convolutional ? ".layer.2.convolution" : ".fc2"),
                                 EndsWith(".linear_fc2"), EndsWith(".down_proj")));
  const auto connector = ffn_outputs(model(), "connector");
  if (blocks("connector.layer.") > 0) {
    EXPECT_EQ(static_cast<int64_t>(connector.size()), blocks("connector.layer."));
    for (const auto& site : connector) EXPECT_THAT(site.name, EndsWith(".output_query.dense"));
  } else {
    EXPECT_EQ(connector.size(), ffn_outputs(model(), "projector").size());
  }
  for (const auto& site : ffn_outputs(model(), "projection"))
    EXPECT_EQ(model().stages()[site.stage].name, "connector.project");
}

TEST_P(FfnOutputsTest, PatternsAreModulesOrGlobs) {
  const auto all = ffn_outputs_or_sites(model(), {"*.0.*", "language", "language"});
  EXPECT_GT(all.size(), ffn_outputs(model(), "language").size());
  for (size_t i = 1; i < all.size(); ++i) EXPECT_LE(all[i - 1].stage, all[i].stage);
  EXPECT_THAT(error_of([&] {
                ffn_outputs_or_sites(model(), {"language", "none"});
              }),
              HasSubstr("no site matches `none`"));
}

INSTANTIATE_TEST_SUITE_P(Folders, FfnOutputsTest, ::testing::ValuesIn(testing::kTinyModels),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace emend
