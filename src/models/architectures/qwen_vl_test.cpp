// Folders of Qwen2.5-VL and Qwen3-VL: pictures of different sizes, prompts and errors.

#include "models/architectures/qwen_vl.h"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "io/error.h"
#include "models/caching/activation_store.h"
#include "models/caching/prefix.h"
#include "models/caching/shared_prefix.h"
#include "models/prompting/request_batch.h"
#include "models/testing/batch_answers.h"
#include "models/testing/thread_guard.h"
#include "models/vlm.h"
#include "tests/tiny_qwen_vl.h"

namespace emend {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

// A picture with a different gray at each place.
Image shaded(int width, int height, int seed = 3) {
  Image image{width, height, std::vector<uint8_t>(size_t(width) * height * 3)};
  for (size_t i = 0; i < image.rgb.size(); ++i)
    image.rgb[i] = static_cast<uint8_t>((i * 7 + i / 11 * 13 + size_t(seed) * 31) % 256);
  return image;
}

class QwenVlFolder : public ::testing::TestWithParam<const char*> {
 protected:
  ThreadGuard threads_{1};

  QwenVlFolder() { testing::write_tiny_qwen_vl(folder.path(), GetParam(), 0); }
  void write_images(const json& settings) {
    testing::write_text(folder / "preprocessor_config.json", settings.dump());
  }
  TemporaryFolder folder;
  const std::vector<Query> queries{{shaded(40, 24), "What is this?"},
                                   {std::nullopt, "Where does the cat live?"},
                                   {shaded(16, 60, 5), "So <image>, and what is that?"},
                                   {shaded(8, 8, 6), "Who?"},
                                   {shaded(40, 24), "What is it, then?"}};
};
INSTANTIATE_TEST_SUITE_P(All, QwenVlFolder, ::testing::Values("qwen2_5_vl", "qwen3_vl"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(QwenVlFolder, BatchGivesTheAnswersOfSinglePrompts) {
  const auto vlm = load_vlm(folder.path());
  const auto batch = request_batch(vlm, queries, {});
  ASSERT_EQ(batch.pixels.size(), 3);  // equal pictures are shared
  EXPECT_EQ(batch.pixels[0].sizes(), at::IntArrayRef({3, 24, 40}));
  EXPECT_EQ(vlm.model->image_tokens(batch.pixels[0]), 15);
  EXPECT_EQ(vlm.model->image_tokens(batch.pixels[1]), 2 * 8);  // 16 x 64
  testing::expect_answers_of_single_prompts(vlm, queries);
}

// The bits of a picture's features do not depend on the other pictures, with and without a store,
// from any stage of the vision tower on.
TEST_P(QwenVlFolder, FeaturesDoNotDependOnTheBatch) {
  at::NoGradGuard no_grad;
  const auto vlm = load_vlm(folder.path());
  const auto& model = *vlm.model;
  const auto batch = request_batch(vlm, queries, {});
  const auto language = model.first_stage(Module::language);
  ActivationStore store{ActivationStore::Options()};
  for (size_t stage = 1; stage <= language; ++stage) {
    const auto all = forward_until(vlm, batch, stage, {}, &store);
    auto resumed = all;
    model.run(resumed, language - 1);
    ASSERT_EQ(resumed.picture_lengths, (std::vector<int64_t>{15, 16, 1}));
    for (int64_t i = 0; i < batch.pixels.size(); ++i) {
      Pass alone;
      alone.pixels = batch.pixels.narrow(i, 1);
      model.run(alone, stage - 1);
      const auto length = alone.hidden.size(1);
      EXPECT_EQ(all.picture_lengths[static_cast<size_t>(i)], length);
      EXPECT_TRUE(at::equal(all.hidden[i].narrow(0, 0, length), alone.hidden[0])) << stage;
      EXPECT_FALSE(all.hidden[i].slice(0, length).any().item<bool>());
      model.run(alone, language - 1);
      EXPECT_TRUE(at::equal(resumed.hidden[i].narrow(0, 0, alone.hidden.size(1)), alone.hidden[0]));
    }
    const auto stored = forward_until(vlm, batch, stage, {}, &store);
    EXPECT_TRUE(at::equal(stored.hidden, all.hidden));
    EXPECT_EQ(stored.picture_lengths, all.picture_lengths);
  }
}

// All pictures at once, padded to the largest: the same features, and no gradient at the padding.
TEST_P(QwenVlFolder, BatchedPicturesAgree) {
  const auto vlm = load_vlm(folder.path());
  const auto& model = *vlm.model;
  const auto batch = request_batch(vlm, queries, {});
  const auto one_by_one = [&] {
    at::NoGradGuard no_grad;
    auto pass = model.collate(batch);
    model.run(pass);
    return pass;
  }();
  at::Tensor seen;
  const auto site = model.find_sites("*blocks.1.attn.proj")[0].name;
  auto pass = model.collate(batch);
  pass.batched_pictures = true;
  model.run(pass, {Intervention::output(site, [&](const at::Tensor& y) {
              return seen = y.detach().requires_grad_();
            })});
  const auto real = pass.mask.unsqueeze(-1);
  EXPECT_TRUE(at::allclose(pass.logits().masked_fill(~real, 0),
                           one_by_one.logits().masked_fill(~real, 0), 1e-4, 1e-5));
  ASSERT_EQ(seen.sizes(), at::IntArrayRef({3, 64, 24}));
  pass.logits().masked_fill(~real, 0).square().sum().backward();
  const auto gradient = seen.grad();
  for (int64_t i = 0; i < 3; ++i) {
    const auto length = 4 * model.image_tokens(batch.pixels[i]);
    EXPECT_TRUE(gradient[i].narrow(0, 0, length).any(1).all().item<bool>());
    EXPECT_FALSE(gradient[i].slice(0, length).any().item<bool>());
  }
}

// Several pictures of different sizes in one row, as in rows of their own prefixes.
TEST_P(QwenVlFolder, SharedPrefixesWithSeveralPictures) {
  at::NoGradGuard no_grad;
  const auto vlm = load_vlm(folder.path());
  const auto& model = *vlm.model;
  auto batch = request_batch(vlm, {queries[0], queries[2]}, {});
  auto both = batch.rows[0];
  both.ids.insert(both.ids.end(), batch.rows[1].ids.begin(), batch.rows[1].ids.end());
  both.images = {0, 1};
  batch.rows = {both, both, both};
  for (int64_t r = 0; r < 3; ++r)
    batch.rows[static_cast<size_t>(r)].ids.insert(batch.rows[static_cast<size_t>(r)].ids.end(),
                                                  {40 + r, 50, 60 + r});
  auto whole = model.collate(batch);
  model.run(whole);
  const auto shared = share_prefixes(vlm, batch, {3, 3, 3}, {}, nullptr, PadSide::right);
  ASSERT_TRUE(shared.has_value());
  auto pass = shared->pass;
  model.run(pass);
  EXPECT_TRUE(at::allclose(pass.logits(), whole.logits().slice(1, -pass.ids.size(1)), 1e-4, 1e-5));
}

TEST_P(QwenVlFolder, RefusesVideosAndWrongProcessors) {
  auto config = testing::tiny_qwen_vl_config(GetParam());
  const auto opened = [&] { return load_vlm(folder.path()); };
  const auto says = [&](const json& images, const char* expected) {
    write_images(images);
    EXPECT_THAT(error_of([&] {
                  generate(opened(), {{shaded(20, 20), "What?"}});
                }),
                HasSubstr(expected));
  };
  const json good = {{"image_processor_type", "Qwen2VLImageProcessor"},
                     {"patch_size", 4},
                     {"merge_size", 2},
                     {"min_pixels", 64},
                     {"max_pixels", 1024}};
  const auto with = [&](const char* name, const json& value) {
    auto changed = good;
    changed[name] = value;
    return changed;
  };
  says(with("patch_size", 8), "has patch_size 8, but the model has 4");
  says(with("merge_size", 1), "has merge_size 1, but the model has 2");
  says(with("temporal_patch_size", 1), "has temporal_patch_size 1, but the model has 2");
  says(with("do_resize", false), "its sides must be multiples of 8");
  says({{"image_processor_type", "CLIPImageProcessor"}, {"size", 30}, {"crop_size", 30}},
       "its sides must be multiples of 8");
  write_images(good);
  const auto vlm = opened();
  EXPECT_THAT(error_of([&] { vlm.processor.tiles(shaded(201, 1)); }), HasSubstr("too narrow"));
  EXPECT_THAT(error_of([&] { vlm.processor.row("What?", 0); }),
              HasSubstr("depends on the picture"));
  config["video_token_id"] = vlm.processor.tokenizer->encode("~", false).back();
  testing::write_text(folder / "config.json", config.dump());
  EXPECT_THAT(error_of([&] { opened().processor.row("What is ~?"); }), HasSubstr("video"));
}

TEST_P(QwenVlFolder, PlacesFollowThePicture) {
  const auto vlm = load_vlm(folder.path());
  const auto& model = *vlm.model;
  const auto picture = at::rand({3, 24, 40});  // 3 x 5 image tokens, 6 x 10 patches
  const auto tokens = model.places(picture, 15);
  for (int64_t i = 0; i < 15; ++i) {
    EXPECT_DOUBLE_EQ(tokens[i][0].item<double>(), (static_cast<double>(i / 5) + 0.5) / 3);
    EXPECT_DOUBLE_EQ(tokens[i][1].item<double>(), (static_cast<double>(i % 5) + 0.5) / 5);
  }
  const auto patches = model.places(picture, 60);
  // The third patch is the first of the second row; a window has 2 x 2 tokens, so that its third
  // token is in the second row.
  EXPECT_DOUBLE_EQ(patches[2][0].item<double>(), 1.5 / 6);
  EXPECT_DOUBLE_EQ(patches[2][1].item<double>(), 0.5 / 10);
  const bool windows = GetParam() == std::string("qwen2_5_vl");
  EXPECT_DOUBLE_EQ(patches[8][0].item<double>(), windows ? 2.5 / 6 : 0.5 / 6);
  EXPECT_FALSE(model.places(picture, 14).defined());
}

// The prompts of transformers' Qwen2VLProcessor for text, pictures and a chat template with a real
// tokenizer (tools/reference/models/make_qwen_vl_prompts.py).
TEST(QwenVlPrompts, AgreeWithTheReleasedProcessor) {
  const std::string real = EMEND_SHARED_DIR "/data/tokenizers/qwen2_5";
  if (!std::filesystem::exists(real)) GTEST_SKIP() << "no real tokenizer at " << real;
  const auto expected =
      json::parse(std::ifstream(EMEND_SOURCE_DIR "/src/models/testdata/qwen_vl/prompts.json"));
  TemporaryFolder folder;
  for (const char* file : {"tokenizer.json", "tokenizer_config.json"})
    std::filesystem::copy(real + "/" + file, folder / file);
  testing::write_text(folder / "chat_template.json",
                      json{{"chat_template", expected["template"]}}.dump());
  testing::write_text(folder / "preprocessor_config.json", expected["images"].dump());
  auto layout = architecture_of(testing::tiny_qwen_vl_config("qwen3_vl")).layout;
  layout.image_token = expected["image_token"];
  layout.video_token = 151656;
  const auto processor = Processor::load(folder.path(), layout);
  const auto bare = Processor::load(folder.path(), layout, /*wrap=*/false);
  for (const auto& line : expected["prompts"]) {
    auto ids = line["ids"].get<std::vector<int64_t>>();
    std::replace(ids.begin(), ids.end(), *layout.image_token, kImageToken);
    const auto& asks = line.contains("asked") ? processor : bare;
    const auto& text = line["text"].get<std::string>();
    const bool shown = !line["size"].is_null();
    if (line.contains("asked")) {
      EXPECT_EQ(asks.prompt(text, shown), line["asked"]);
    }
    if (shown) {
      const auto picture = asks.tiles(shaded(line["size"][0], line["size"][1]));
      EXPECT_EQ(asks.row(text, {{0, &picture}}).ids, ids) << line;
    } else {
      EXPECT_EQ(asks.row(text).ids, ids) << line;
    }
  }
}

TEST(QwenVlConfigs, RejectInvalidFields) {
  const auto refusal = [](const char* type, const char* pointer, const json& value) {
    auto config = testing::tiny_qwen_vl_config(type);
    config[json::json_pointer(pointer)] = value;
    return error_of([&] { QwenVlConfig::parse(config); });
  };
  const char *second = "qwen2_5_vl", *third = "qwen3_vl";
  EXPECT_EQ(refusal(second, "/vision_config/model_type", "qwen2_5_vl_vision"), "no error");
  EXPECT_THAT(refusal(second, "/model_type", "qwen2_audio"), HasSubstr("qwen3_vl"));
  EXPECT_THAT(refusal(second, "/vision_config/model_type", "qwen2_vl"), HasSubstr("model_type"));
  EXPECT_THAT(refusal(second, "/text_config/model_type", "qwen3_vl_text"), HasSubstr("model_type"));
  EXPECT_THAT(refusal(second, "/vision_config/window_size", 7), HasSubstr("window_size"));
  EXPECT_THAT(refusal(second, "/vision_config/fullatt_block_indexes", {3}),
              HasSubstr("fullatt_block_indexes"));
  EXPECT_THAT(refusal(second, "/vision_config/num_heads", 4), HasSubstr("4 * num_heads"));
  EXPECT_THAT(refusal(second, "/vision_config/in_chans", 1), HasSubstr("in_chans"));
  EXPECT_THAT(refusal(second, "/vision_config/rope_parameters", {{"rope_type", "yarn"}}),
              HasSubstr("rope_type"));
  EXPECT_THAT(refusal(second, "/vision_config/out_hidden_size", 16), HasSubstr("output of 16"));
  EXPECT_THAT(refusal(second, "/text_config/rope_scaling/mrope_section", {1, 1, 1}),
              HasSubstr("[1, 1, 1]"));
  EXPECT_THAT(refusal(second, "/text_config/rope_scaling/rope_type", "mystery"),
              HasSubstr("mystery"));
  EXPECT_THAT(refusal(second, "/text_config/use_sliding_window", "yes"),
              HasSubstr("use_sliding_window"));
  EXPECT_THAT(refusal(second, "/image_token_id", 999), HasSubstr("image_token_id 999"));
  EXPECT_THAT(refusal(third, "/vision_config/num_position_embeddings", 24),
              HasSubstr("square numbers"));
  EXPECT_THAT(refusal(third, "/vision_config/deepstack_visual_indexes", {0, 0}),
              HasSubstr("deepstack_visual_indexes"));
  EXPECT_THAT(refusal(third, "/text_config/num_hidden_layers", 1),
              HasSubstr("deepstack_visual_indexes has 2 blocks"));
  EXPECT_THAT(refusal(third, "/text_config/rope_scaling/mrope_interleaved", false),
              HasSubstr("mrope_interleaved"));
  EXPECT_THAT(refusal(third, "/text_config", nullptr), HasSubstr("no text_config"));
  EXPECT_THAT(refusal(third, "/quantization_config", {{"bits", 4}}),
              HasSubstr("quantization_config"));
}

TEST(QwenVlNames, OfAllReleases) {
  EXPECT_EQ(qwen2_vl_name("model.visual.merger.ln_q.weight"), "visual.merger.ln_q.weight");
  EXPECT_EQ(qwen2_vl_name("model.language_model.norm.weight"), "model.norm.weight");
  EXPECT_EQ(qwen2_vl_name("language_model.norm.weight"), "model.norm.weight");
  EXPECT_EQ(qwen2_vl_name("model.norm.weight"), "model.norm.weight");
  EXPECT_EQ(qwen3_vl_name("visual.pos_embed.weight"), "model.visual.pos_embed.weight");
  EXPECT_EQ(qwen3_vl_name("language_model.norm.weight"), "model.language_model.norm.weight");
  EXPECT_EQ(qwen3_vl_name("lm_head.weight"), "lm_head.weight");
}

}  // namespace
}  // namespace emend
