#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "editing/testing/hparams_fixture.h"

namespace emend::easyedit {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

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
  auto bridge = read(with(kFt, "opt_model.model.decoder.layers.{}.fc2.weight",
                          "Qformer.bert.encoder.layer.1.output_query.dense.weight"));
  EXPECT_EQ(sites(bridge), std::vector<std::string>{"qformer.encoder.layer.1.output_query.dense"});
}

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

TEST_F(HparamsTest, LoraAcceptsNamesWithASuffix) {
  auto text = with(kLora, "[\"q_proj\", \"v_proj\"]",
                   "[\"language_model.model.decoder.layers.*q_proj.*\"]");
  EXPECT_EQ(sites(read(text)).size(), 3u);
}

TEST_F(HparamsTest, RejectsInvalidValuesOfFtAndLora) {
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
}

}  // namespace
}  // namespace emend::easyedit
