#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "editing/editor.h"
#include "editing/testing/hparams_fixture.h"

namespace emend::easyedit {
namespace {

using ::testing::HasSubstr;

const char* const kUltraEdit = R"(alg_name: "UltraEdit"
model_name: "./somewhere/llama"
archive: null
device: 0
inner_params:
- opt_model.model.decoder.layers.0.fc1
- opt_model.model.decoder.layers.1.fc2
lr: 1e-6
token: mask
batch_size: 10
batch_size_once: 10
editor_batch_size: 1024
dropout: 0.0
no_grad_layers: null
half: False
)";
const char* const kGrace = R"(alg_name: "GRACE"
model_name: "./somewhere/llama"
device: 0
inner_params:
- opt_model.model.decoder.layers[1].fc2.weight
edit_lr: 1.0
n_iter: 50
eps: 1.0
dist_fn: euc  # euc, mmd, cos
val_init: cold
val_train: sgd
val_reg: None
reg: early_stop
replacement: replace_last
eps_expand: coverage
num_pert: 8
dropout: 0.0
)";

TEST_F(HparamsTest, UltraEdit) {
  const auto hparams = read(std::string(kUltraEdit) + "class_name: AutoModelForCausalLM\n");
  EXPECT_EQ(hparams.spec.name, "ultraedit");
  const auto settings = make_editor("ultraedit", hparams.spec.settings)->settings();
  EXPECT_EQ(settings["lr"], 1e-6);
  EXPECT_EQ(settings["prior_rows"], 0);
  EXPECT_EQ(settings["end_of_answer"], false);
  EXPECT_EQ(sites(hparams),
            (std::vector<std::string>{"language_model.model.decoder.layers.0.fc1",
                                      "language_model.model.decoder.layers.1.fc2"}));
}

TEST_F(HparamsTest, Grace) {
  const auto hparams = read(kGrace);
  EXPECT_EQ(hparams.spec.name, "grace");
  const auto settings = make_editor("grace", hparams.spec.settings)->settings();
  EXPECT_EQ(settings["lr"], 1);
  EXPECT_EQ(settings["steps"], 50);
  EXPECT_EQ(settings["stop_loss"], 0);
  EXPECT_EQ(settings["eps"], 1);
  EXPECT_EQ(settings["init"], "cold");
  EXPECT_EQ(settings["replacement"], "last");
  EXPECT_EQ(settings["expand"], true);
  EXPECT_EQ(sites(hparams), std::vector<std::string>{"language_model.model.decoder.layers.1.fc2"});
}

TEST_F(HparamsTest, InvalidValuesOfLifelongEditorsAreErrors) {
  EXPECT_THAT(refusal(with(kUltraEdit, "token: mask", "token: all")), HasSubstr("mask or ans"));
  EXPECT_THAT(refusal(with(kGrace, "dist_fn: euc", "dist_fn: cos")), HasSubstr("\"euc\""));
  EXPECT_THAT(refusal(with(kGrace, "replace_last", "replace_some")), HasSubstr("replace_last"));
  EXPECT_THAT(refusal(with(kGrace, "coverage", "moving_avg")), HasSubstr("coverage"));
  EXPECT_THAT(refusal(with(kGrace, "n_iter: 50", "n_iter: x")), HasSubstr("steps"));
}

}  // namespace
}  // namespace emend::easyedit
