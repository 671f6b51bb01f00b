#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "editing/editor.h"
#include "editing/testing/hparams_fixture.h"

namespace emend::easyedit {
namespace {

using ::testing::HasSubstr;

// A file with the keys of EasyEdit's files for WISE and vision-language models.
const char* const kWise = R"(alg_name: "WISE"
model_name: "blip2"
device: 0
mask_ratio: 0.2
edit_lr: 0.9
n_iter: 30
norm_constraint: 1.0
act_margin: [2.0, 20.0, 10.0]
act_ratio: 0.4
save_freq: 500
merge_freq: 1000
merge_alg: "ties"
objective_optimization: "only_label"
inner_params:
- opt_model.model.decoder.layers[2].fc1.weight
densities: 0.53
weights: 1.0
retrieve: false
replay: false
hidden_act: "relu"
sequential_edit: true
batch_size: 1
max_length: 30
model_parallel: false
use_chat_template: false
name: somewhere/opt-2.7b
model_class: Blip2OPT
tokenizer_class: GPT2Tokenizer
tokenizer_name: somewhere/opt-2.7b
exact_match: false
qformer_checkpoint: somewhere/qformer.pth
qformer_name_or_path: bert-base-uncased
state_dict_file: somewhere/eva_vit_g.pth
pretrained_ckpt: null
file_type: "image"
coco_image: pictures
rephrase_image: pictures
save_path: null
load_path: null
)";

TEST_F(HparamsTest, Wise) {
  const auto hparams = read(std::string(kWise) + "dtype: torch.float32\n");
  EXPECT_EQ(hparams.spec.name, "wise");
  const auto settings = make_editor("wise", hparams.spec.settings)->settings();
  EXPECT_EQ(settings["mask_ratio"], 0.2);
  EXPECT_EQ(settings["lr"], 0.9);
  EXPECT_EQ(settings["steps"], 30);
  EXPECT_EQ(settings["norm_constraint"], 1.0);
  EXPECT_EQ(settings["margin_out"], 2.0);
  EXPECT_EQ(settings["margin_in"], 20.0);
  EXPECT_EQ(settings["margin_gap"], 10.0);
  EXPECT_EQ(settings["act_ratio"], 0.4);
  EXPECT_EQ(settings["save_freq"], 500);
  EXPECT_EQ(settings["density"], 0.53);
  EXPECT_EQ(settings["retrieve"], false);
  EXPECT_EQ(settings["relative"], false);
  EXPECT_EQ(settings["end_of_answer"], false);
  EXPECT_EQ(sites(hparams), std::vector<std::string>{"language_model.model.decoder.layers.2.fc1"});
}

TEST_F(HparamsTest, InvalidValuesOfWiseAreErrors) {
  const auto error = [&](const std::string& from, const std::string& to) {
    return error_of([&] { read(with(kWise, from, to)); });
  };
  EXPECT_THAT(error("[2.0, 20.0, 10.0]", "[2.0, 20.0]"), HasSubstr("a list of three numbers"));
  EXPECT_THAT(error("[2.0, 20.0, 10.0]", "[2.0, x, 10.0]"), HasSubstr("a list of three numbers"));
  EXPECT_THAT(error("\"ties\"", "\"slerp\""), HasSubstr("ties"));
  EXPECT_THAT(error("\"only_label\"", "\"all\""), HasSubstr("only_label"));
  EXPECT_THAT(error("densities: 0.53", "densities: [0.5, 0.3]"), HasSubstr("equal numbers"));
  EXPECT_THAT(error("mask_ratio: 0.2", "mask_ratio: 2"), HasSubstr("mask_ratio"));
}

}  // namespace
}  // namespace emend::easyedit
