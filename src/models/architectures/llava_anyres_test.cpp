// Folders of LLaVA-NeXT and LLaVA-OneVision: pictures of any resolution, and errors.

#include <ATen/Parallel.h>
#include <gmock/gmock.h>

#include "io/error.h"
#include "models/architectures/llava.h"
#include "models/caching/prefix.h"
#include "models/prompting/request_batch.h"
#include "models/testing/batch_answers.h"
#include "models/testing/thread_guard.h"
#include "models/vlm.h"
#include "tests/tiny_llava_onevision.h"

namespace emend {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

Image waves(int width, int height, int seed) {
  Image image{width, height, std::vector<uint8_t>(size_t(width) * height * 3)};
  for (size_t i = 0; i < image.rgb.size(); ++i)
    image.rgb[i] = static_cast<uint8_t>((i * 5 + i / 13 * 17 + size_t(seed) * 41) % 256);
  return image;
}

class LlavaAnyresFolder : public ::testing::Test {
 protected:
  ThreadGuard threads_{1};

  LlavaAnyresFolder() { testing::write_tiny_llava_onevision(folder.path()); }
  TemporaryFolder folder;
  const std::vector<Query> queries{{waves(30, 30, 1), "What is this?"},
                                   {std::nullopt, "Where does the cat live?"},
                                   {waves(16, 60, 2), "So <image>, and what is that?"},
                                   {waves(31, 22, 3), "Who?"}};
};

TEST_F(LlavaAnyresFolder, BatchGivesTheAnswersOfSinglePrompts) {
  const auto vlm = load_vlm(folder.path());
  const auto batch = request_batch(vlm, queries, {});
  // Tiles of 4 x 4 features: 2 x 2 tiles are reduced to 5 x 5 features; 2 x 1 tiles without padding
  // have 8 x 2; each row of them has an end.
  EXPECT_EQ(vlm.model->image_tokens(batch.pixels[0]), 16 + 5 * 6);
  EXPECT_EQ(vlm.model->image_tokens(batch.pixels[1]), 16 + 8 * 3);
  testing::expect_answers_of_single_prompts(vlm, queries);
}

TEST_F(LlavaAnyresFolder, FeaturesDoNotDependOnTheBatch) {
  at::NoGradGuard no_grad;
  const auto vlm = load_vlm(folder.path());
  const auto& model = *vlm.model;
  const auto batch = request_batch(vlm, queries, {});
  const auto language = model.first_stage(Module::language);
  auto all = model.collate(batch), together = all;
  model.run(all, language - 1);
  together.batched_pictures = true;
  model.run(together, language - 1);
  EXPECT_EQ(together.picture_lengths, all.picture_lengths);
  EXPECT_TRUE(at::allclose(together.hidden, all.hidden, 1e-4, 1e-5));
  for (int64_t i = 0; i < batch.pixels.size(); ++i) {
    Pass alone;
    alone.pixels = batch.pixels.narrow(i, 1);
    model.run(alone, language - 1);
    EXPECT_TRUE(at::equal(all.hidden[i].narrow(0, 0, alone.hidden.size(1)), alone.hidden[0]));
    EXPECT_EQ(alone.hidden.size(1), model.image_tokens(batch.pixels[i]));
    const auto places = model.places(batch.pixels[i], alone.hidden.size(1));
    ASSERT_EQ(places.size(0), alone.hidden.size(1));
    EXPECT_TRUE(places[alone.hidden.size(1) - 1].isnan().all().item<bool>());  // the end of a row
  }
}

// A wide picture of 4 x 4 features, whose first and last rows show only padding.
TEST_F(LlavaAnyresFolder, UndividedPicturesHavePlaces) {
  const auto vlm = load_vlm(folder.path());
  const auto picture = pack_anyres(20, 40, at::zeros({1, 3, 16, 16}));
  ASSERT_EQ(vlm.model->image_tokens(picture), 17);
  const auto places = vlm.model->places(picture, 17);
  const auto shown = at::arange(4, 12, at::kLong);
  const auto along = (at::arange(4, at::kDouble) + 0.5) / 4;
  EXPECT_TRUE(at::allclose(
      places.index({shown}),
      at::stack({at::tensor({0.25, 0.75}, at::kDouble).repeat_interleave(4), along.repeat({2})},
                1)));
  EXPECT_TRUE(places.slice(0, 0, 4).isnan().all().item<bool>());
  EXPECT_TRUE(places.slice(0, 12).isnan().all().item<bool>());
  EXPECT_TRUE(at::equal(vlm.model->places(picture, 16).isnan(), places.slice(0, 0, 16).isnan()));
}

TEST_F(LlavaAnyresFolder, RefusesOtherProcessors) {
  const auto says = [&](const json& images, const char* expected) {
    testing::write_text(folder / "preprocessor_config.json", images.dump());
    EXPECT_THAT(error_of([&] {
                  generate(load_vlm(folder.path()), {{waves(40, 20, 1), "What?"}});
                }),
                HasSubstr(expected));
  };
  const auto settings = [](int tile, const json& pinpoints) -> json {
    return {{"image_processor_type", "LlavaNextImageProcessor"},
            {"size", {{"shortest_edge", tile}}},
            {"image_grid_pinpoints", pinpoints}};
  };
  says(settings(16, testing::kTinyPinpoints), "no error");
  says(settings(16, {{16, 48}}), "has image_grid_pinpoints [[16,48]], but the model has");
  says(settings(8, testing::kTinyPinpoints), "not divided into tiles of 16 x 16 pixels");
  says(
      {{"image_processor_type", "SiglipImageProcessor"}, {"size", {{"height", 16}, {"width", 16}}}},
      "not divided into tiles of 16 x 16 pixels");
  testing::write_tiny_llava_onevision(folder.path());
  const auto vlm = load_vlm(folder.path());
  const auto picture = pack_anyres(20, 40, at::zeros({4, 3, 16, 16}));
  EXPECT_THAT(error_of([&] { vlm.model->image_tokens(picture); }),
              HasSubstr("40 x 20 pixels has 3 tiles, but the model expects 2"));
}

TEST(LlavaAnyresConfigs, RejectInvalidFields) {
  const auto refusal = [](const char* pointer, const json& value) {
    auto config = testing::tiny_llava_onevision_config();
    config[json::json_pointer(pointer)] = value;
    return error_of([&] { LlavaConfig::parse(config); });
  };
  EXPECT_EQ(refusal("/vision_aspect_ratio", "anyres_max_9"), "no error");
  EXPECT_THAT(refusal("/vision_aspect_ratio", "pad"), HasSubstr("anyres_max_N"));
  EXPECT_THAT(refusal("/image_grid_pinpoints", json::array()), HasSubstr("image_grid_pinpoints"));
  EXPECT_THAT(refusal("/image_grid_pinpoints", {{16, 20}}),
              HasSubstr("multiples of image_size 16"));
  EXPECT_THAT(refusal("/vision_feature_select_strategy", "default"),
              HasSubstr("`full` for SigLIP"));
  EXPECT_THAT(refusal("/use_image_newline_parameter", false), HasSubstr("use_image_newline"));
  EXPECT_THAT(refusal("/vision_config", nullptr), HasSubstr("no vision_config"));
  EXPECT_THAT(refusal("/model_type", "llava_next_video"), HasSubstr("llava_onevision"));
  EXPECT_EQ(llava_name("model.image_newline"), "image_newline");
}

}  // namespace
}  // namespace emend
