#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "editing/testing/hparams_fixture.h"

namespace emend::easyedit {
namespace {

using ::testing::HasSubstr;

const char* const kIke = R"(alg_name: "IKE"
name: somewhere/opt-2.7b
model_name: blip2
model_class: Blip2OPT
tokenizer_class: GPT2Tokenizer
tokenizer_name: somewhere/opt-2.7b
sentence_model_name: somewhere/all-MiniLM-L6-v2
device: 0
results_dir: "./results"
k: 24
task_name: "vqa"
qformer_checkpoint: somewhere/qformer.pth
qformer_name_or_path: bert-base-uncased
state_dict_file: somewhere/eva_vit_g.pth
pretrained_ckpt: somewhere/minigpt4.pth
exact_match: true
coco_image: ../
rephrase_image: ../
)";

TEST_F(HparamsTest, Ike) {
  auto hparams = read(kIke);
  EXPECT_EQ(hparams.spec.label, "ike (blip2)");
  EXPECT_EQ(hparams.spec.settings, nlohmann::json({{"k", 24}}));
  EXPECT_TRUE(hparams.training.is_null());
  EXPECT_EQ(hparams.ignored.size(), 15u);
  // Files for language models have fewer keys, and do not use the edit as a demonstration.
  const std::string language = "alg_name: IKE\nmodel_name: llama\n";
  hparams = read(language);
  EXPECT_EQ(hparams.spec.settings, nlohmann::json({{"k", 16}, {"copy_demonstration", false}}));
  hparams = read(language + "k: 8\nuse_icl_examples: false\n");
  EXPECT_EQ(hparams.spec.settings["k"], 0);
  EXPECT_THAT(refusal(std::string(kIke) + "kk: 3\n"), HasSubstr("kk"));
  EXPECT_THAT(refusal(with(kIke, "k: 24", "k: -1")), HasSubstr("'k'"));
  EXPECT_THAT(refusal(language + "use_icl_examples: 3\n"), HasSubstr("use_icl_examples"));
}

}  // namespace
}  // namespace emend::easyedit
