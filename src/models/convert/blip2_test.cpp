#include "models/architectures/qformer/blip2.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "io/error.h"
#include "io/files/file.h"
#include "io/json/json.h"
#include "io/testing.h"
#include "models/convert/convert.h"
#include "models/testing/fixture.h"
#include "models/vlm.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;

const std::string kBlip2Files = EMEND_SOURCE_DIR "/src/models/testdata/convert/blip2/";

class ConvertBlip2 : public ::testing::Test {
 protected:
  ConvertBlip2() {
    fs::copy(kBlip2Files + "opt", root_.file("opt"));
    fs::copy(EMEND_SOURCE_DIR "/src/text/testdata/small_opt", root_.file("opt"));
    options_.vision_heads = 3;
    options_.qformer_heads = 2;
    options_.vision_blocks = 2;  // of the three in the file
  }

  std::string refused(const Blip2Files& files) {
    try {
      convert_blip2(files, root_.file("out"), options_);
    } catch (const Error& error) {
      EXPECT_EQ("opt ", root_.listing()) << "files were left behind";
      return error.what();
    }
    return "converted";
  }

  // Logits of the fixture's rows, and the values of transformers.
  std::pair<at::Tensor, at::Tensor> logits(const Model& model) const {
    at::NoGradGuard no_grad;
    const auto expected = SafetensorsFile::open(kBlip2Files + "expected.safetensors");
    const auto ids = expected->tensor("input_ids"), mask = expected->tensor("attention_mask");
    Batch batch{expected->tensor("pixel_values"), {}};
    for (int64_t r = 0; r < ids.size(0); ++r) {
      Row row;
      row.images = {r};
      for (int64_t t = 0; t < mask[r].sum().item<int64_t>(); ++t)
        row.ids.push_back(t < 4 ? kImageToken : ids[r][t].item<int64_t>());
      batch.rows.push_back(row);
    }
    auto pass = model.collate(batch);
    model.run(pass);
    return {pass.logits().index({pass.mask}).slice(1, 0, 200), expected->tensor("logits")};
  }

  TemporaryFolder root_;
  ConvertOptions options_;
  Blip2Files files_{kBlip2Files + "blip2.pth", kBlip2Files + "vit.pth", root_.file("opt")};
};

TEST_F(ConvertBlip2, AgreesWithLavis) {
  const auto result = convert_blip2(files_, root_.file("out"), options_);
  EXPECT_EQ("opt out ", root_.listing());
  const auto vlm = load_vlm(root_.file("out"));
  auto [actual, expected] = logits(*vlm.model);
  EXPECT_LE(fixtures::relative_error(actual, expected), fixtures::kLogitsTolerance);
  EXPECT_EQ(18, vlm.processor.image_processor.width);

  // Every ignored tensor is listed with its name and file.
  for (const char* ignored : {"head.bias (", "norm.weight (", "blocks.2.attn.q_bias (",
                              "itm_head.bias (", "Qformer.cls.predictions.bias (",
                              "Qformer.bert.encoder.layer.0.intermediate.dense.weight (",
                              "model.decoder.version (", "a copy of the embeddings"})
    EXPECT_THAT(result.ignored, Contains(HasSubstr(ignored)));
  EXPECT_EQ(Checkpoint::open(root_.file("out")).names().size(), result.tensors);
}

// With the eps of transformers, the difference would far exceed the tolerance.
TEST_F(ConvertBlip2, KeepsTheEpsOfLavis) {
  convert_blip2(files_, root_.file("out"), options_);
  const auto config_file = root_.file("out/config.json");
  auto config = read_json(config_file);
  EXPECT_EQ(1e-5, config["vision_config"]["post_layernorm_eps"]);
  const auto with_lavis_eps = Blip2Config::parse(config).canonical();
  config["vision_config"].erase("post_layernorm_eps");
  EXPECT_NE(with_lavis_eps, Blip2Config::parse(config).canonical());
  write_json(config_file, config);
  auto [actual, expected] = logits(*load_vlm(root_.file("out")).model);
  EXPECT_GT(fixtures::relative_error(actual, expected), 10 * fixtures::kLogitsTolerance);
}

TEST_F(ConvertBlip2, WritesTheRequestedDtypeInShards) {
  options_.dtype = at::kBFloat16;
  options_.write.shard_bytes = 20'000;
  uint64_t announced = 0, written = 0;
  options_.write.begin = [&](uint64_t bytes) { announced = bytes; };
  options_.write.written = [&](uint64_t bytes) { written += bytes; };
  const auto result = convert_blip2(files_, root_.file("out"), options_);
  EXPECT_EQ(announced, written);
  EXPECT_EQ(announced, result.bytes);
  const auto checkpoint = Checkpoint::open(root_.file("out"));
  for (const auto& name : checkpoint.names())
    EXPECT_EQ(at::kBFloat16, checkpoint.info(name).dtype) << name;
  EXPECT_TRUE(fs::exists(root_.file("out/model.safetensors.index.json")));
  auto [actual, expected] = logits(*load_vlm(root_.file("out")).model);
  EXPECT_LE(fixtures::relative_error(actual, expected), 0.05);
}

TEST_F(ConvertBlip2, KeepsDtypesByDefault) {
  convert_blip2(files_, root_.file("out"), options_);
  const auto checkpoint = Checkpoint::open(root_.file("out"));
  EXPECT_EQ(at::kHalf, checkpoint.info("vision_model.encoder.layers.0.mlp.fc1.weight").dtype);
  EXPECT_EQ(at::kFloat, checkpoint.info("qformer.encoder.layer.0.output_query.dense.weight").dtype);
}

TEST_F(ConvertBlip2, InterpolatesPositionsForAnImageSize) {
  options_.image_size = 30;
  const auto result = convert_blip2(files_, root_.file("out"), options_);
  EXPECT_THAT(result.notes, Contains(HasSubstr("interpolated (bicubic) from 3 x 3 to 5 x 5")));
  const auto larger = load_vlm(root_.file("out"));
  EXPECT_EQ(30, larger.processor.image_processor.width);
  // The model interpolates in the same way if a picture is larger than in training.
  options_.image_size.reset();
  convert_blip2(files_, root_.file("small"), options_);
  const auto small = load_vlm(root_.file("small"));
  at::NoGradGuard no_grad;
  Batch batch{at::randn({1, 3, 30, 30}),
              {{{kImageToken, kImageToken, kImageToken, kImageToken, 2}, {0}, {}, -1}}};
  std::vector<at::Tensor> made;
  for (const auto* vlm : {&larger, &small}) {
    auto pass = vlm->model->collate(batch);
    vlm->model->run(pass);
    made.push_back(pass.logits());
  }
  EXPECT_LE(fixtures::relative_error(made[0], made[1]), 1e-3);  // stored in fp16
  fs::remove_all(root_.file("small"));
  fs::remove_all(root_.file("out"));

  options_.image_size = 31;
  EXPECT_THAT(refused(files_),
              HasSubstr("the image size 31 is not a multiple of the patch size 6"));
}

TEST_F(ConvertBlip2, RejectsMissingTensorsAndFiles) {
  auto files = files_;
  files.vit.clear();
  EXPECT_THAT(refused(files), AllOf(HasSubstr("has no vision tower"), HasSubstr("--vit")));
  files = files_;
  files.vit = files.checkpoint;
  EXPECT_THAT(refused(files), HasSubstr("patch_embedding.weight'"));
  files = files_;
  files.checkpoint = files.vit;
  EXPECT_THAT(refused(files), HasSubstr("language_projection.weight"));
  files = files_;
  files.language = EMEND_SOURCE_DIR "/src/text/testdata/small_opt";
  EXPECT_THAT(refused(files), HasSubstr("config.json"));
  files.language = root_.file("none");
  EXPECT_THAT(refused(files), HasSubstr("is not a folder"));

  write_json(root_.file("opt/config.json"), {{"model_type", "llama"}});
  EXPECT_THAT(refused(files_), HasSubstr("is a model of type `llama`, not `opt`"));
}

TEST_F(ConvertBlip2, RejectsSizesThatDoNotMatch) {
  options_.vision_heads.reset();
  EXPECT_THAT(refused(files_), AllOf(HasSubstr("the hidden size 18"), HasSubstr("--vision-heads")));
  options_.vision_heads = 4;
  EXPECT_THAT(refused(files_), HasSubstr("4 heads do not divide the hidden size 18"));
  options_.vision_heads = 3;
  options_.vision_blocks = 4;
  EXPECT_THAT(refused(files_), HasSubstr("has 3 blocks, but --vision-blocks is 4"));
  options_.vision_blocks = 2;

  auto config = read_json(root_.file("opt/config.json"));
  config["num_hidden_layers"] = 3;
  write_json(root_.file("opt/config.json"), config);
  EXPECT_THAT(refused(files_), AllOf(HasSubstr("missing: language_model.model.decoder.layers.2."),
                                     HasSubstr("16 missing")));
  config["num_hidden_layers"] = 2;
  config["vocab_size"] = 900;
  write_json(root_.file("opt/config.json"), config);
  EXPECT_THAT(refused(files_), HasSubstr("has 1002 tokens, but the model has only 900"));
}

TEST_F(ConvertBlip2, OverwritesNothingAndWritesNothingOnErrors) {
  fs::create_directory(root_.file("out"));
  write_file(root_.file("out/mine"), "1");
  EXPECT_THROW(convert_blip2(files_, root_.file("out"), options_), Error);
  EXPECT_EQ("opt out ", root_.listing());
  fs::remove_all(root_.file("out"));

  options_.write.written = [](uint64_t) { throw Error("test", "stopped"); };
  EXPECT_THAT(refused(files_), HasSubstr("stopped"));
  options_.write.written = {};
  {
    FullDisk full(20'000);
    EXPECT_THAT(refused(files_), HasSubstr("cannot write"));
  }
  EXPECT_EQ("converted", refused(files_));
}

}  // namespace
}  // namespace emend
