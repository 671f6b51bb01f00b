#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "editing/testing/hparams_fixture.h"

namespace emend::easyedit {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const char* const kTraining = R"(device: 0
name: somewhere/opt-2.7b
model_name: blip2
model_class: Blip2OPT
tokenizer_class: GPT2Tokenizer
tokenizer_name: somewhere/opt-2.7b
inner_params:
- opt_model.model.decoder.layers.1.fc1.weight
- opt_model.model.decoder.layers.1.fc2.weight
- opt_model.model.decoder.layers.2.fc1.weight
- opt_model.model.decoder.layers.2.fc2.weight
alg: MEND
lr: 2e-6
edit_lr: 3e-4
lr_lr: 2e-4
seed: 42
cedit: 0.2
iedit: 0.2
cloc: 1.5
cbase: 1.0
dropout: 0.0
train_base: False
no_grad_layers: null
one_sided: False
n_hidden: 1
hidden_dim: null
init: id
norm: True
combine: True
x_only: False
delta_only: False
act: relu
rank: 64
mlp_class: IDMLP
shared: True
archive: null
batch_size: 1
model_save_pt: 5000
silent: False
max_iters: 50000
log_interval: 100
eval_log_interval: 1000
final_eval: True
val_interval: 5000
early_stop_patience: 21000
early_stop_key: "loss/total_edit_val"
eval_only: False
half: False
debug: False
save: False
verbose: True
val_batch_size: 1
accumulate_bs: 2
val_steps: 500
opt: Adam
grad_clip: 90.
results_dir: ./results
qformer_checkpoint: somewhere/qformer.pth
qformer_name_or_path: bert-base-uncased
state_dict_file: somewhere/eva_vit_g.pth
coco_image: ../
rephrase_image: ../
)";
// Keys of SERAC's files that MEND's files do not have.
const char* const kSeracs = R"(small_name: somewhere/opt-125m
cls_name: somewhere/distilbert-base-cased
cls_class: AutoModel
supervised: False
soft_weighting: False
checkpoint_grad: False
cross_attend: False
cos: False
freeze: null
square: True
bound_embeds: False
use_all_negatives: False
freeze_cntr: False
dist_heads: 1
lora: null
edit_bs: 1
log_errors: False
unlikelihood: True
)";

TEST_F(HparamsTest, MendTraining) {
  auto hparams = read(kTraining);
  EXPECT_EQ(hparams.spec.name, "mend");  // the published method, not mend-iterated
  EXPECT_EQ(hparams.spec.label, "mend (blip2)");
  auto training = hparams.training;
  EXPECT_EQ(hparams.spec.settings,
            nlohmann::json({{"module", "language"}, {"sites", training["sites"]}}));
  EXPECT_EQ(sites(hparams).size(), 4u);
  training.erase("sites");
  EXPECT_EQ(training, nlohmann::json({{"module", "language"},
                                      {"lr", 2e-6},
                                      {"rate", 3e-4},
                                      {"rates_lr", 2e-4},
                                      {"edit_weight", 0.2},
                                      {"locality_weight", 1.5},
                                      {"rank", 64},
                                      {"batch", 1},
                                      {"accumulate", 2},
                                      {"steps", 50000},
                                      {"validate", 5000},
                                      {"patience", 5},  // 21000 steps
                                      {"clip", 90.0}}));
  // Every ignored key has a reason; an edit ignores the keys of training.
  std::map<std::string, std::string> ignored;
  for (const auto& [key, reason] : hparams.ignored) ignored[key] = reason;
  EXPECT_THAT(ignored["lr"], HasSubstr("emend train"));
  EXPECT_THAT(ignored["cedit"], HasSubstr("emend train"));
  EXPECT_FALSE(ignored["early_stop_key"].empty());
  for (const auto& [key, reason] : hparams.ignored_in_training) {
    EXPECT_NE(key, "lr");
    EXPECT_FALSE(reason.empty()) << key;
  }
}

TEST_F(HparamsTest, MendEdit) {
  auto text = with(kTraining, "alg: MEND", "alg_name: MEND\nlr_scale: 1.0");
  auto hparams = read(with(text, "archive: null", "archive: results/models/MEND/blip2-vqa"));
  EXPECT_FALSE(hparams.spec.settings.contains("checkpoint"));
  EXPECT_THAT(hparams.ignored,
              ::testing::Contains(::testing::Field(&Hparams::Ignored::key, "archive")));
  hparams = read(with(text, "archive: null", "archive: trained/mend.safetensors"));
  EXPECT_EQ(hparams.spec.settings["checkpoint"], "trained/mend.safetensors");
  auto vision = with(text,
                     "- opt_model.model.decoder.layers.1.fc1.weight\n"
                     "- opt_model.model.decoder.layers.1.fc2.weight\n"
                     "- opt_model.model.decoder.layers.2.fc1.weight\n"
                     "- opt_model.model.decoder.layers.2.fc2.weight",
                     "- Qformer.bert.encoder.layer.1.output_query.dense.weight");
  hparams = read(vision);
  EXPECT_EQ(hparams.spec.settings["module"], "connector");
  EXPECT_EQ(hparams.spec.settings["sites"], hparams.training["sites"]);
  EXPECT_EQ(sites(hparams), std::vector<std::string>{"qformer.encoder.layer.1.output_query.dense"});
}

TEST_F(HparamsTest, Ke) {
  // The files of KE do not have the keys of MEND's networks.
  std::string text = kTraining;
  auto begin = text.find("one_sided"), end = text.find("archive");
  text = with(text.erase(begin, end - begin), "alg: MEND", "alg: KE");
  auto hparams = read(text);
  EXPECT_EQ(hparams.spec.label, "ke (blip2)");
  EXPECT_EQ(hparams.training["lr"], 2e-6);
  EXPECT_EQ(hparams.training["locality_weight"], 1.5);
  EXPECT_FALSE(hparams.training.contains("rate"));
  EXPECT_THAT(refusal(text + "rank: 3\n"), HasSubstr("rank"));
}

TEST_F(HparamsTest, Serac) {
  std::string text = kTraining;
  auto begin = text.find("one_sided"), end = text.find("archive");
  text = text.erase(begin, end - begin) + kSeracs;
  auto hparams = read(with(text, "alg: MEND", "alg: SERAC_MULTI"));
  EXPECT_EQ(hparams.spec.label, "serac (blip2)");
  EXPECT_EQ(hparams.spec.settings, nlohmann::json({{"module", "paper"}, {"mix", "soft"}}));
  EXPECT_EQ(hparams.training, nlohmann::json({{"module", "paper"},
                                              {"lr", 2e-6},
                                              {"batch", 1},
                                              {"accumulate", 2},
                                              {"steps", 50000},
                                              {"validate", 5000},
                                              {"patience", 5},
                                              {"clip", 90.0}}));
  std::map<std::string, std::string> ignored;
  for (const auto& [key, reason] : hparams.ignored_in_training) ignored[key] = reason;
  for (const char* key : {"small_name", "cls_name", "inner_params", "cedit", "cloc", "edit_lr"})
    EXPECT_FALSE(ignored[key].empty()) << key;
  // The file of an edit. Mixing is not soft if `supervised` is set and `soft_weighting` is not.
  auto edit = with(text, "alg: MEND", "alg_name: SERAC");
  edit = with(edit, "archive: null", "archive: trained/serac.safetensors");
  hparams = read(with(edit, "supervised: False", "supervised: True"));
  EXPECT_EQ(hparams.spec.settings["mix"], "hard");
  EXPECT_EQ(hparams.spec.settings["checkpoint"], "trained/serac.safetensors");
  EXPECT_THAT(refusal(with(edit, "cos: False", "cos: True")), HasSubstr("cos:"));
  EXPECT_THAT(refusal(with(edit, "supervised: False", "supervised: no way")),
              HasSubstr("supervised"));
  EXPECT_THAT(refusal(edit + "rank: 3\n"), HasSubstr("rank"));
}

TEST_F(HparamsTest, RejectsInvalidValuesOfTrainedEditors) {
  EXPECT_THAT(refusal(std::string(kTraining) + "other: 1\n"), HasSubstr("other"));
  EXPECT_THAT(refusal(with(kTraining, "act: relu", "act: tanh")),
              AllOf(HasSubstr("act:"), HasSubstr("relu")));
  EXPECT_THAT(refusal(with(kTraining, "iedit: 0.2", "iedit: 0.1")), HasSubstr("iedit"));
  EXPECT_THAT(refusal(with(kTraining, "train_base: False", "train_base: True")),
              HasSubstr("train_base"));
  EXPECT_THAT(refusal(with(kTraining, "opt: Adam", "opt: SGD")), HasSubstr("Adam"));
  EXPECT_THAT(refusal(with(kTraining, "rank: 64", "rank: 0")), HasSubstr("rank"));
  EXPECT_THAT(refusal(with(kTraining, "early_stop_patience: 21000", "early_stop_patience: no")),
              HasSubstr("early_stop_patience"));
  EXPECT_THAT(refusal(with(kTraining, "archive: null", "archive: [1]")), HasSubstr("archive"));
  EXPECT_THAT(refusal("alg: MEND\n"), HasSubstr("missing the key 'inner_params'"));
  EXPECT_THAT(refusal("alg: MEND\ninner_params: []\n"), HasSubstr("inner_params"));
}

}  // namespace
}  // namespace emend::easyedit
