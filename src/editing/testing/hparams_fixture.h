#pragma once

// For tests only.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "editing/settings/easyedit/hparams.h"
#include "io/error.h"
#include "tests/tiny_vlm.h"

namespace emend::easyedit {

// Files in EasyEdit's format, written for these tests.
inline const char* const kFt = R"(alg_name: "FT"
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
inline const char* const kLora = R"(alg_name: "LoRA"
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
// FT files like those of VLKEB and MMKE-Bench, which have the keys of all their algorithms.
inline const char* const kPictureFt = R"(device: 0
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

// Reads hyperparameter files.
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

}  // namespace emend::easyedit
