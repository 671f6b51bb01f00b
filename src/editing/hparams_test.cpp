#include "editing/hparams.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/error.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Files of our own in EasyEdit's format.
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
  // The sites that the settings choose in the tiny model.
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

  testing::TemporaryFolder folder_;
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
  // Without an objective it is the target's, and a template without `.weight` is a part of a name.
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
  auto bridge = read(with(kFt, "opt_model.model.decoder.layers.{}.fc2.weight",
                          "Qformer.bert.encoder.layer.1.output_query.dense.weight"));
  EXPECT_EQ(sites(bridge), std::vector<std::string>{"qformer.encoder.layer.1.output_query.dense"});
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

TEST_F(HparamsTest, UnknownKeysAreNamed) {
  EXPECT_THAT(refusal(std::string(kFt) + "num_stepz: 3\nother: 1\n"),
              AllOf(HasSubstr("blip2.yaml"), HasSubstr("num_stepz"), HasSubstr("other")));
  EXPECT_THAT(refusal(std::string(kLora) + "rewrite_module_tmp: a\n"),
              HasSubstr("rewrite_module_tmp"));
}

TEST_F(HparamsTest, WhatMakesNoSenseIsNamed) {
  EXPECT_THAT(refusal(with(kFt, "alg_name: \"FT\"", "alg_name: ROME")),
              AllOf(HasSubstr("ROME"), HasSubstr("FT, LoRA")));
  EXPECT_THAT(refusal(with(kFt, "alg_name: \"FT\"", "")), HasSubstr("no 'alg_name'"));
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
  EXPECT_THAT(refusal("- FT\n"), HasSubstr("names and values"));
  EXPECT_THAT(refusal("alg_name: FT\nalg_name: FT\n"), HasSubstr("line 2"));
}

TEST_F(HparamsTest, TheirJsonFilesAreReadToo) {
  auto hparams = read(R"({"alg_name": "FT", "layers": [2], "num_steps": 25, "lr": 5e-4,
    "weight_decay": 0, "kl_factor": 0, "norm_constraint": 5e-4,
    "rewrite_module_tmp": "decoder.layers.{}.fc1"})",
                      "constr.json");
  EXPECT_EQ(hparams.spec.label, "ft (constr)");
  EXPECT_EQ(sites(hparams).size(), 1u);
}

}  // namespace
}  // namespace emend
