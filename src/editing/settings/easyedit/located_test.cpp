#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "editing/editor.h"
#include "editing/testing/hparams_fixture.h"

namespace emend::easyedit {
namespace {

using ::testing::HasSubstr;

// A file with the keys of EasyEdit's files for these algorithms.
std::string located_file(const std::string& algorithm, const std::string& more) {
  return "alg_name: \"" + algorithm + "\"\n" + R"(model_name: "./somewhere/blip2"
stats_dir: "./data/stats"
device: 0
layers: [1]
fact_token: "subject_last"
v_num_grad_steps: 25
v_lr: 5e-1
v_loss_layer: 31
v_weight_decay: 1e-3
clamp_norm_factor: 4
kl_factor: 0.0625
mom2_dataset: "wikipedia"
mom2_n_samples: 100000
mom2_dtype: "float32"
rewrite_module_tmp: "opt_model.model.decoder.layers.{}.fc2"
layer_module_tmp: "opt_model.model.decoder.layers.{}"
mlp_module_tmp: "opt_model.model.decoder.layers.{}.fc2"
attn_module_tmp: "opt_model.model.decoder.layers.{}.self_attn"
ln_f_module: "opt_model.model.decoder.final_layer_norm"
lm_head_module: "opt_model.lm_head"
model_parallel: false
)" + more;
}

TEST_F(HparamsTest, Rome) {
  const auto hparams = read(located_file(
      "ROME", "mom2_adjustment: false\ncontext_template_length_params: [[5, 10], [10, 7]]\n"));
  EXPECT_EQ(hparams.spec.name, "rome");
  EXPECT_THAT(hparams.ignored, ::testing::Contains(::testing::Field(
                                   &Hparams::Ignored::key, "context_template_length_params")));
  const auto settings = make_editor("rome", hparams.spec.settings)->settings();
  EXPECT_EQ(settings["variant"], "original");
  EXPECT_EQ(settings["lookup"], "subject");
  EXPECT_EQ(settings["steps"], 25);
  EXPECT_EQ(settings["lr"], 0.5);
  EXPECT_EQ(settings["weight_decay"], 1e-3);
  EXPECT_EQ(settings["clamp_norm_factor"], 4);
  EXPECT_EQ(settings["kl_factor"], 0.0625);
  EXPECT_EQ(settings["statistics"], "none");
  EXPECT_EQ(settings["prefixes"], 17);
  EXPECT_EQ(settings["prefix_length"], 10);
  EXPECT_EQ(settings["altered_pictures"], 0);
  EXPECT_EQ(settings["keys"], "mean");
  EXPECT_EQ(settings["end_of_answer"], false);
  EXPECT_EQ(settings["adaptive"], false);
  EXPECT_EQ(sites(hparams), std::vector<std::string>{"language_model.model.decoder.layers.1.fc2"});
}

TEST_F(HparamsTest, RRomeAveragesTheKey) {
  const auto hparams = read(located_file("R-ROME", "mom2_adjustment: true\n"));
  const auto settings = make_editor("rome", hparams.spec.settings)->settings();
  EXPECT_EQ(settings["variant"], "average");
  EXPECT_EQ(settings["statistics"], "");
  EXPECT_EQ(settings["prefixes"], 20);
  // The choices of R-ROME's code, which its newer files contain.
  const std::string choices = "enable_prompt_keys: false\nenable_random_prefix_keys: true\n";
  EXPECT_NO_THROW(read(located_file("R-ROME", choices + "original_implementation: false\n")));
  EXPECT_THAT(
      error_of([&] { read(located_file("R-ROME", choices + "original_implementation: true\n")); }),
      HasSubstr("original_implementation"));
}

TEST_F(HparamsTest, Memit) {
  auto text = located_file("MEMIT",
                           "mom2_adjustment: true\nmom2_update_weight: 15000\n"
                           "layer_selection: \"all\"\n");
  const auto hparams = read(with(text, "layers: [1]", "layers: [1, 2]"));
  EXPECT_EQ(hparams.spec.name, "memit");
  const auto settings = make_editor("memit", hparams.spec.settings)->settings();
  EXPECT_EQ(settings["update_weight"], 15000);
  EXPECT_EQ(settings["history"], false);
  EXPECT_EQ(sites(hparams),
            (std::vector<std::string>{"language_model.model.decoder.layers.1.fc2",
                                      "language_model.model.decoder.layers.2.fc2"}));
}

TEST_F(HparamsTest, AlphaEdit) {
  const auto hparams =
      read(located_file("AlphaEdit",
                        "mom2_adjustment: true\nmom2_update_weight: 15000\nP_loc: \"./p.pt\"\n"
                        "nullspace_threshold: 2e-2\nL2: 10\n"));
  EXPECT_EQ(hparams.spec.name, "alphaedit");
  const auto settings = make_editor("alphaedit", hparams.spec.settings)->settings();
  EXPECT_EQ(settings["nullspace_threshold"], 0.02);
  EXPECT_EQ(settings["l2"], 10);
}

TEST_F(HparamsTest, InvalidValuesOfClosedFormEditorsAreErrors) {
  const auto error = [&](const std::string& from, const std::string& to) {
    return error_of([&] { read(with(located_file("ROME", "mom2_adjustment: true\n"), from, to)); });
  };
  EXPECT_THAT(error("\"subject_last\"", "\"subject_first\""), HasSubstr("subject_last or last"));
  EXPECT_THAT(error("mom2_adjustment: true", "mom2_adjustment: 3"), HasSubstr("true or false"));
  EXPECT_THAT(error("mom2_adjustment: true", "context_template_length_params: [[5]]"),
              HasSubstr("a list of pairs [length, count]"));
  EXPECT_THAT(error("layers: [1]", "layers: []"), HasSubstr("layers"));
}

}  // namespace
}  // namespace emend::easyedit
