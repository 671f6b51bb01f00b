#include "exports/peft_adapter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "io/files/file.h"
#include "io/json/json.h"
#include "io/tensors/safetensors.h"
#include "io/testing.h"
#include "models/architectures/architecture.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

std::string adapter_folder(const std::string& name) {
  return EMEND_SOURCE_DIR "/src/exports/testdata/peft/" + name;
}

Vlm base_model(const std::string& name) {
  Vlm vlm;  // the folders have no tokenizer
  vlm.folder =
      EMEND_SOURCE_DIR "/src/models/testdata/" + name + (name == "llama" ? "/gqa" : "/plain");
  Weights weights(Checkpoint::open(vlm.folder), at::kFloat);
  vlm.model = architecture_of(read_json(vlm.folder + "/config.json")).make_model(weights);
  return vlm;
}

class PeftAdapterTest : public ::testing::TestWithParam<const char*> {
 protected:
  TemporaryFolder folder_;
};

TEST_P(PeftAdapterTest, ReadsTheChangesThatPeftComputes) {
  const auto vlm = base_model(GetParam());
  const auto patch = read_peft_adapter(vlm, adapter_folder(GetParam()));
  const auto expected =
      Checkpoint::of(SafetensorsFile::open(adapter_folder(GetParam()) + "/expected.safetensors"));
  const auto architecture = architecture_of(read_json(vlm.folder + "/config.json"));
  ASSERT_EQ(patch.deltas.size(), expected.names().size());
  for (const auto& change : patch.deltas) {
    const auto delta = expected.tensor(architecture.module_path(change.site));
    EXPECT_LT((change.delta.materialized() - delta).norm().item<float>(),
              1e-6f * delta.norm().item<float>())
        << change.site;
  }
}

TEST_P(PeftAdapterTest, WritesLowRankChangesExactly) {
  const auto vlm = base_model(GetParam());
  const auto patch = read_peft_adapter(vlm, adapter_folder(GetParam()));
  PatchStack stack;
  stack.apply(vlm, patch);
  const auto layers = write_peft_adapter(vlm, stack, folder_.file("adapter"));
  for (const auto& layer : layers) EXPECT_EQ(layer.error, 0) << layer.site;
  const auto again = read_peft_adapter(vlm, folder_.file("adapter"));
  ASSERT_EQ(again.deltas.size(), patch.deltas.size());
  for (size_t i = 0; i < patch.deltas.size(); ++i) {
    EXPECT_EQ(again.deltas[i].site, patch.deltas[i].site);
    EXPECT_TRUE(at::equal(again.deltas[i].delta.up, patch.deltas[i].delta.up));
    EXPECT_TRUE(at::equal(again.deltas[i].delta.down, patch.deltas[i].delta.down));
  }
  // The tensors have the names that PEFT gave them.
  const auto names = [](const std::string& path) {
    return Checkpoint::of(SafetensorsFile::open(path + "/adapter_model.safetensors")).names();
  };
  EXPECT_EQ(names(folder_.file("adapter")), names(adapter_folder(GetParam())));
}

INSTANTIATE_TEST_SUITE_P(Fixtures, PeftAdapterTest,
                         ::testing::Values("llama", "llava", "blip2", "smolvlm"),
                         [](const auto& info) { return std::string(info.param); });

class PeftErrorsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { vlm_ = std::make_unique<Vlm>(base_model("llama")); }
  static void TearDownTestSuite() { vlm_.reset(); }
  void SetUp() override { fs::copy(adapter_folder("llama"), folder_.file("adapter")); }

  // The error of importing the adapter with some settings changed.
  std::string error_with(const nlohmann::json& changes) {
    auto config = read_json(adapter_folder("llama") + "/adapter_config.json");
    config.update(changes);
    write_json(folder_.file("adapter/adapter_config.json"), config);
    return error_of([&] { read_peft_adapter(*vlm_, folder_.file("adapter")); });
  }
  Patch dense_patch(const at::Tensor& delta) const {
    Patch patch;
    patch.base = vlm_->fingerprint();
    patch.editor = "ft";
    patch.deltas = {{"model.layers.0.mlp.down_proj", {delta, {}, {}}}};
    patch.id = patch_id(patch);
    return patch;
  }

  inline static std::unique_ptr<Vlm> vlm_;
  TemporaryFolder folder_;
};

TEST_F(PeftErrorsTest, PartsThatAreNotChangesOfWeightsAreRefused) {
  EXPECT_EQ(error_with(nlohmann::json::object()), "no error");
  EXPECT_THAT(error_with({{"use_dora", true}}), HasSubstr("use_dora"));
  EXPECT_THAT(error_with({{"bias", "all"}}), HasSubstr("bias"));
  EXPECT_THAT(error_with({{"modules_to_save", {"lm_head"}}}), HasSubstr("modules_to_save"));
  EXPECT_THAT(error_with({{"peft_type", "IA3"}}), HasSubstr("peft_type"));
  EXPECT_THAT(error_with({{"fan_in_fan_out", true}}), HasSubstr("fan_in_fan_out"));
  EXPECT_THAT(error_with({{"rank_pattern", {{"layers.[01].mlp", 2}}}}), HasSubstr("plain module"));
  for (const char* changing : {"pissa", "pissa_niter_16", "olora", "corda", "loftq", "lora_ga"})
    EXPECT_THAT(error_with({{"init_lora_weights", changing}}), HasSubstr("the base model"));
  EXPECT_EQ(error_with({{"init_lora_weights", "gaussian"}}), "no error");
  EXPECT_EQ(error_with({{"init_lora_weights", false}}), "no error");
  EXPECT_THAT(error_with({{"rank_pattern", nlohmann::json::object()}}),
              HasSubstr("gives the rank"));
}

TEST_F(PeftErrorsTest, AdaptersOfOtherModelsAreRefused) {
  const auto other = base_model("llava");
  EXPECT_THAT(error_of([&] { read_peft_adapter(other, adapter_folder("llama")); }),
              HasSubstr("model.layers.0.mlp.down_proj"));
  fs::remove(folder_.file("adapter/adapter_model.safetensors"));
  EXPECT_THAT(error_with(nlohmann::json::object()), HasSubstr("adapter_model.safetensors"));
  EXPECT_THAT(error_of([&] { read_peft_adapter(*vlm_, folder_.file("none")); }),
              HasSubstr("adapter_config.json"));
}

TEST_F(PeftErrorsTest, DenseChangesAreApproximated) {
  const auto& site = vlm_->model->site("model.layers.0.mlp.down_proj");
  at::manual_seed(3);
  const auto low = at::randn({site.out, 2}).matmul(at::randn({2, site.in}));
  PatchStack stack;
  stack.apply(*vlm_, dense_patch(low));
  const auto layers = write_peft_adapter(*vlm_, stack, folder_.file("exact"));
  ASSERT_EQ(layers.size(), 1u);
  EXPECT_EQ(layers[0].rank, 2);
  EXPECT_LT(layers[0].error, 1e-5);
  const auto read = read_peft_adapter(*vlm_, folder_.file("exact"));
  EXPECT_LT((read.deltas[0].delta.materialized() - low).norm().item<float>(),
            1e-5f * low.norm().item<float>());

  PatchStack full;
  full.apply(*vlm_, dense_patch(at::randn({site.out, site.in})));
  EXPECT_THAT(error_of([&] { write_peft_adapter(*vlm_, full, folder_.file("none")); }),
              HasSubstr("larger than the change"));
  EXPECT_FALSE(fs::exists(folder_.file("none")));
  LowRankOptions options;
  options.rank = 1;
  const auto rough = write_peft_adapter(*vlm_, full, folder_.file("rough"), options);
  EXPECT_EQ(rough[0].rank, 1);
  const auto kept = read_peft_adapter(*vlm_, folder_.file("rough")).deltas[0].delta.materialized();
  const auto& whole = full.patches()[0].deltas[0].delta.dense;
  EXPECT_NEAR(rough[0].error, ((whole - kept).norm() / whole.norm()).item<double>(), 1e-5);
}

TEST_F(PeftErrorsTest, MemoriesAndEmptyStacksAreRefused) {
  Patch memory;
  memory.base = vlm_->fingerprint();
  memory.editor = "ike";
  memory.memory.entries = {{"a", {}, {}}};
  memory.id = patch_id(memory);
  PatchStack stack;
  EXPECT_THAT(error_of([&] { write_peft_adapter(*vlm_, stack, folder_.file("none")); }),
              HasSubstr("change no weights"));
  stack.apply(*vlm_, memory);
  EXPECT_THAT(error_of([&] { write_peft_adapter(*vlm_, stack, folder_.file("none")); }),
              HasSubstr("answers from a memory"));
}

}  // namespace
}  // namespace emend
