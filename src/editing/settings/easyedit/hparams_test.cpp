#include "editing/settings/easyedit/hparams.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/error.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Our own files in EasyEdit's format.
const char* const kFt = R"(alg_name: "FT"
model_name: "./somewhere/blip2"
device: 0
layers: [1, 2]
num_steps: 25
batch_size: 1
max_length: 40
lr: 5e-4
weight_decay: 0
kl_factor: 0
norm_constraint: 1e-3
objective_optimization: "prompt_last"  # FT-L
rewrite_module_tmp: "opt_model.model.decoder.layers.{}.fc2.weight"
layer_module_tmp: "model.layers.{}"
mlp_module_tmp: "model.layers.{}.mlp"
attn_module_tmp: "model.layers.{}.self_attn"
ln_f_module: "model.norm"
lm_head_module: "lm_head"
model_parallel: false
)";
const char* const kLora = R"(alg_name: "LoRA"
model_name: "./somewhere/blip2"
device: 0
lora_type: "adalora"
layers: []
num_steps: 30
batch_size: 1
max_length: 30
lr: 5e-3
weight_decay: 0
kl_factor: 0
rank: 4
lora_alpha: 16
lora_dropout: 0.1
norm_constraint: false
target_modules: ["q_proj", "v_proj"]
)";
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

class HparamsTest : public ::testing::Test {
 protected:
  Hparams read(const std::string& text, const std::string& name = "blip2.yaml") {
    testing::write_text(folder_ / name, text);
    return read_hparams(folder_ / name);
  }
  std::string refusal(const std::string& text) {
    try {
      return "read: " + read(text).spec.settings.dump();
    } catch (const Error& error) {
      return error.what();
    }
  }
  static std::string with(std::string text, const std::string& from, const std::string& to) {
    auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  }
  // The sites that the settings select in the tiny model.
  std::vector<std::string> sites(const Hparams& hparams) {
    if (!vlm_) {
      testing::write_tiny_vlm(folder_ / "model");
      vlm_ = std::make_unique<Vlm>(load_vlm(folder_ / "model"));
    }
    std::vector<std::string> names;
    for (const auto& site :
         vlm_->model->find_sites(hparams.spec.settings["sites"].get<std::string>()))
      names.push_back(site.name);
    return names;
  }

  TemporaryFolder folder_;
  std::unique_ptr<Vlm> vlm_;
};

TEST_F(HparamsTest, Ft) {
  auto hparams = read(kFt);
  EXPECT_EQ(hparams.spec.name, "ft");
  EXPECT_EQ(hparams.spec.label, "ft (blip2)");
  EXPECT_EQ(hparams.model_name, "./somewhere/blip2");
  auto settings = make_editor("ft", hparams.spec.settings)->settings();
  EXPECT_EQ(settings["steps"], 25);
  EXPECT_EQ(settings["lr"], 5e-4);
  EXPECT_EQ(settings["norm_constraint"], 1e-3);
  EXPECT_EQ(settings["objective"], "prompt_last");
  EXPECT_EQ(settings["optimizer"], "adam");
  EXPECT_EQ(settings["stop_loss"], 0.01);
  EXPECT_EQ(settings["end_of_answer"], false);
  EXPECT_EQ(sites(hparams),
            (std::vector<std::string>{"language_model.model.decoder.layers.1.fc2",
                                      "language_model.model.decoder.layers.2.fc2"}));
  std::map<std::string, std::string> ignored;
  for (const auto& [key, reason] : hparams.ignored) ignored[key] = reason;
  for (const char* key :
       {"device", "batch_size", "max_length", "kl_factor", "layer_module_tmp", "mlp_module_tmp",
        "attn_module_tmp", "ln_f_module", "lm_head_module", "model_parallel"})
    EXPECT_FALSE(ignored[key].empty()) << key;
  EXPECT_EQ(ignored.size(), 10u);
}

TEST_F(HparamsTest, FtOfEarlierReleases) {
  // The default objective is the target's, and a template without `.weight` is a part of a name.
  auto text = with(kFt, "objective_optimization: \"prompt_last\"", "");
  text = with(text, "norm_constraint: 1e-3", "norm_constraint: false");
  text = with(text, "layers: [1, 2]", "layers: [1]");
  text = with(text, "opt_model.model.decoder.layers.{}.fc2.weight", "decoder.layers.{}.fc");
  auto hparams = read(text);
  auto settings = make_editor("ft", hparams.spec.settings)->settings();
  EXPECT_EQ(settings["objective"], "target");
  EXPECT_EQ(settings["norm_constraint"], 0.0);
  EXPECT_EQ(sites(hparams),
            (std::vector<std::string>{"language_model.model.decoder.layers.1.fc1",
                                      "language_model.model.decoder.layers.1.fc2"}));
  auto connector = read(with(kFt, "opt_model.model.decoder.layers.{}.fc2.weight",
                             "Qformer.bert.encoder.layer.1.output_query.dense.weight"));
  EXPECT_EQ(sites(connector),
            std::vector<std::string>{"qformer.encoder.layer.1.output_query.dense"});
}

// FT files like those of VLKEB and MMKE-Bench, which have the keys of all their algorithms.
const char* const kPictureFt = R"(device: 0
alg_name: "FT"
name: somewhere/opt-2.7b
model_name: blip2
model_class: Blip2OPT
tokenizer_class: GPT2Tokenizer
tokenizer_name: somewhere/opt-2.7b
inner_params:
- opt_model.model.decoder.layers.2.fc1.weight
- opt_model.model.decoder.layers.2.fc2.weight
alg: ft
num_steps: 15
lr: 1e-6
edit_lr: 2e-4
lr_lr: 1e-4
lr_scale: 1.0
weight_decay: 0
seed: 42
cedit: 0.1
iedit: 0.1
cloc: 1.0
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
rank: 1920
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
early_stop_patience: 5000
early_stop_key: "loss/total_edit_val"
eval_only: True
half: False
debug: False
save: False
verbose: True
val_batch_size: 1
accumulate_bs: 2
val_steps: 500
opt: Adam
grad_clip: 100.
results_dir: ./results
qformer_checkpoint: somewhere/qformer.pth
qformer_name_or_path: bert-base-uncased
state_dict_file: somewhere/eva_vit_g.pth
pretrained_ckpt: null
coco_image: pictures
rephrase_image: pictures
)";

TEST_F(HparamsTest, FtOfVisionLanguageModels) {
  auto hparams = read(kPictureFt);
  EXPECT_EQ(hparams.spec.name, "ft");
  auto settings = make_editor("ft", hparams.spec.settings)->settings();
  EXPECT_EQ(settings["steps"], 15);
  EXPECT_EQ(settings["lr"], 2e-4);
  EXPECT_EQ(settings["optimizer"], "adam");
  EXPECT_EQ(settings["stop_loss"], 0.0);
  EXPECT_EQ(sites(hparams),
            (std::vector<std::string>{"language_model.model.decoder.layers.2.fc1",
                                      "language_model.model.decoder.layers.2.fc2"}));
  std::map<std::string, std::string> ignored;
  for (const auto& [key, reason] : hparams.ignored) ignored[key] = reason;
  EXPECT_THAT(ignored["lr"], HasSubstr("edit_lr"));
  for (const char* key : {"rank", "cedit", "grad_clip", "seed", "coco_image", "max_iters"})
    EXPECT_FALSE(ignored[key].empty()) << key;
  for (const char* key : {"num_steps", "edit_lr", "opt", "inner_params", "alg"})
    EXPECT_FALSE(ignored.count(key)) << key;

  auto adamw = read(with(kPictureFt, "opt: Adam", "opt: AdamW"));
  EXPECT_EQ(adamw.spec.settings["optimizer"], "adamw");
  EXPECT_THAT(refusal(with(kPictureFt, "opt: Adam", "opt: Lion")), HasSubstr("AdamW"));
  EXPECT_THAT(refusal(with(kPictureFt, "num_steps", "num_stepz")), HasSubstr("num_stepz"));
  // Only the name of the algorithm, in upper or lower case.
  EXPECT_EQ(read(with(kPictureFt, "alg_name: \"FT\"", "")).spec.name, "ft");
  const std::string lists =
      "- opt_model.model.decoder.layers.2.fc1.weight\n"
      "- opt_model.model.decoder.layers.2.fc2.weight";
  auto qformer = read(with(kPictureFt, lists, "- Qformer"));
  const auto all = sites(qformer);
  EXPECT_GT(all.size(), 4u);
  for (const auto& site : all) EXPECT_TRUE(site.starts_with("qformer.")) << site;
  auto bias = read(with(kPictureFt, lists,
                        "- opt_model.model.decoder.layers.2.fc2.weight\n"
                        "- opt_model.model.decoder.layers.2.fc2.bias"));
  EXPECT_EQ(sites(bias), std::vector<std::string>{"language_model.model.decoder.layers.2.fc2"});
  EXPECT_THAT(bias.ignored,
              ::testing::Contains(::testing::Field(&Hparams::Ignored::reason, HasSubstr("bias"))));
}

TEST_F(HparamsTest, NamesOfPartsOfTheFirstLlava) {
  const std::string lists =
      "- opt_model.model.decoder.layers.2.fc1.weight\n"
      "- opt_model.model.decoder.layers.2.fc2.weight";
  EXPECT_EQ(read(with(kPictureFt, lists, "- mm_projector")).spec.settings["sites"],
            "{*.,}multi_modal_projector.*");
  EXPECT_EQ(read(with(kPictureFt, lists, "- model.mm_projector.0.weight")).spec.settings["sites"],
            "{*.,}multi_modal_projector.linear_1");
  EXPECT_EQ(read(with(kPictureFt, lists, "- model.layers.31.mlp.down_proj.weight"))
                .spec.settings["sites"],
            "{*.,}model.layers.31.mlp.down_proj");
}

TEST_F(HparamsTest, LoraAcceptsNamesWithASuffix) {
  auto text = with(kLora, "[\"q_proj\", \"v_proj\"]",
                   "[\"language_model.model.decoder.layers.*q_proj.*\"]");
  EXPECT_EQ(sites(read(text)).size(), 3u);
}

TEST_F(HparamsTest, Lora) {
  auto hparams = read(kLora);
  EXPECT_EQ(hparams.spec.label, "lora (blip2)");
  auto settings = make_editor("lora", hparams.spec.settings)->settings();
  EXPECT_EQ(settings["rank"], 4);
  EXPECT_EQ(settings["alpha"], 16.0);
  EXPECT_EQ(settings["steps"], 30);
  EXPECT_EQ(settings["stop_loss"], 0.0);
  EXPECT_EQ(sites(hparams).size(), 6u);  // q and v of three blocks
  EXPECT_EQ(hparams.ignored.size(), 7u);
  auto one = read(with(kLora, "layers: []", "layers: [2]"));
  EXPECT_EQ(sites(one),
            (std::vector<std::string>{"language_model.model.decoder.layers.2.self_attn.q_proj",
                                      "language_model.model.decoder.layers.2.self_attn.v_proj"}));
  auto path =
      read(with(kLora, "[\"q_proj\", \"v_proj\"]", "[\"decoder.layers.*.self_attn.q_proj\"]"));
  EXPECT_EQ(sites(path).size(), 3u);
}

TEST_F(HparamsTest, TrainableMend) {
  auto hparams = read(kTraining);
  EXPECT_EQ(hparams.spec.name, "mend");  // the published method, not mend-iterated
  EXPECT_EQ(hparams.spec.label, "mend (blip2)");
  EXPECT_EQ(hparams.spec.settings, nlohmann::json({{"module", "language"}}));
  auto training = hparams.training;
  hparams.spec.settings["sites"] = training["sites"];
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
  hparams.spec.settings["sites"] = hparams.training["sites"];
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

TEST_F(HparamsTest, RejectsUnknownKeys) {
  EXPECT_THAT(refusal(std::string(kFt) + "num_stepz: 3\nother: 1\n"),
              AllOf(HasSubstr("blip2.yaml"), HasSubstr("num_stepz"), HasSubstr("other")));
  EXPECT_THAT(refusal(std::string(kLora) + "rewrite_module_tmp: a\n"),
              HasSubstr("rewrite_module_tmp"));
}

TEST_F(HparamsTest, RejectsInvalidValues) {
  EXPECT_THAT(refusal(with(kFt, "alg_name: \"FT\"", "alg_name: ROME")),
              AllOf(HasSubstr("ROME"), HasSubstr("FT, LoRA, IKE, KE, MEND, SERAC, SERAC_MULTI")));
  EXPECT_THAT(refusal(with(kFt, "alg_name: \"FT\"", "")), HasSubstr("missing the key 'alg_name'"));
  EXPECT_THAT(refusal(with(kFt, "num_steps: 25", "num_steps: many")),
              AllOf(HasSubstr("steps"), HasSubstr("whole number")));
  EXPECT_THAT(refusal(with(kFt, "prompt_last", "somewhere")), HasSubstr("target_new"));
  EXPECT_THAT(refusal(with(kFt, "layers: [1, 2]", "layers: []")), HasSubstr("layers"));
  EXPECT_THAT(refusal(with(kFt, "layers: [1, 2]", "layers: [-1]")), HasSubstr("layer numbers"));
  EXPECT_THAT(refusal(with(kFt, "layers: [1, 2]", "layers: 3")), HasSubstr("layer numbers"));
  EXPECT_THAT(refusal(with(kFt, "1e-3", "tight")), HasSubstr("norm_constraint"));
  EXPECT_THAT(refusal(with(kLora, "rank: 4", "rank: 0")), HasSubstr("rank"));
  EXPECT_THAT(refusal(with(kLora, "adalora", "qlora")), HasSubstr("lora_type"));
  EXPECT_THAT(refusal(with(kLora, "[\"q_proj\", \"v_proj\"]", "[]")), HasSubstr("target_modules"));
  EXPECT_THAT(refusal(with(kLora, "[\"q_proj\", \"v_proj\"]", "[1]")), HasSubstr("target_modules"));
  EXPECT_THAT(refusal("- FT\n"), HasSubstr("names to values"));
  EXPECT_THAT(refusal("alg_name: FT\nalg_name: FT\n"), HasSubstr("line 2"));
}

TEST_F(HparamsTest, ReadsJsonFiles) {
  auto hparams = read(R"({"alg_name": "FT", "layers": [2], "num_steps": 25, "lr": 5e-4,
    "weight_decay": 0, "kl_factor": 0, "norm_constraint": 5e-4,
    "rewrite_module_tmp": "decoder.layers.{}.fc1"})",
                      "constr.json");
  EXPECT_EQ(hparams.spec.label, "ft (constr)");
  EXPECT_EQ(sites(hparams).size(), 1u);
}

}  // namespace
}  // namespace emend
