// Tests of the fixtures of Llama, LLaVA, SmolVLM and Qwen-VL: with each of these mistakes, the
// comparison that the correct model passes must fail.

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "models/testing/fixture.h"
#include "models/testing/thread_guard.h"

namespace emend {
namespace {

using fixtures::Fixture;
using nlohmann::json;

struct LlamaMutation {
  std::string name;
  std::function<bool(json&)> config;  // false: the mistake does not change this fixture
  fixtures::WeightHook weights;
};

at::Tensor llama_as_stored(const std::string&, const at::Tensor& stored) { return stored; }

LlamaMutation llama_of_config(const std::string& name, std::function<bool(json&)> change) {
  return {name, std::move(change), llama_as_stored};
}

// The config of the language model.
json& text_of(json& config) {
  return config.contains("text_config") ? config["text_config"] : config;
}

LlamaMutation of_text(const std::string& name, std::function<bool(json&)> change) {
  return llama_of_config(name, [change](json& config) { return change(text_of(config)); });
}

LlamaMutation of_rope(const std::string& field, const json& value) {
  return of_text("rope_" + field, [field, value](json& text) {
    auto& rope = text["rope_parameters"];
    return rope.contains(field) && (rope[field] = value, true);
  });
}

LlamaMutation of_field(const std::string& pointer, const json& from, const json& to) {
  return llama_of_config(pointer + "_" + to.dump(), [=](json& config) {
    const json::json_pointer at(pointer);
    return config.contains(at) && config[at] == from && (config[at] = to, true);
  });
}

// Changes the tensors whose names end with `ending`.
LlamaMutation llama_of_weights(const std::string& name, const std::string& ending,
                               std::function<at::Tensor(const at::Tensor&)> change) {
  return {name + " " + ending, [](json&) { return true; },
          [ending, change](const std::string& tensor, const at::Tensor& stored) {
            return tensor.ends_with(ending) ? change(stored) : stored;
          }};
}

at::Tensor llama_zero(const at::Tensor& x) { return at::zeros_like(x); }
at::Tensor one(const at::Tensor& x) { return at::ones_like(x); }
// Interprets the rotated halves of a head as neighboring pairs.
at::Tensor interleaved(const at::Tensor& x) {
  return x.view({-1, 2, x.size(0) / 2}).transpose(1, 2).reshape(x.sizes()).contiguous();
}

bool has(const Fixture& fixture, const std::string& ending) {
  for (const auto& name : fixture.checkpoint.names())
    if (name.ends_with(ending)) return true;
  return false;
}

std::vector<LlamaMutation> llama_mutations(const Fixture& fixture) {
  std::vector<LlamaMutation> all{
      of_text("eps", [](json& c) { return (c["rms_norm_eps"] = 1e-2, true); }),
      of_text(
          "gelu_for_silu",
          [](json& c) { return c["hidden_act"] == "silu" && (c["hidden_act"] = "gelu", true); }),
      of_text("tanh_for_erf",
              [](json& c) {
                return c["hidden_act"] == "gelu" && (c["hidden_act"] = "gelu_new", true);
              }),
      of_text("rope_unscaled",
              [](json& c) {
                auto& rope = c["rope_parameters"];
                c["max_position_embeddings"] = 48;  // the limit of scaling

                return rope["rope_type"] != "default" &&
                       (rope = {{"rope_type", "default"}, {"rope_theta", rope["rope_theta"]}},
                        true);
              }),
      of_rope("rope_theta", 20.0),
      of_rope("factor", 3.0),
      of_rope("low_freq_factor", 2.0),
      of_rope("high_freq_factor", 3.0),
      of_rope("original_max_position_embeddings", 20),
      of_field("/vision_config/layer_norm_eps", 1e-5, 1e-2),
      of_field("/vision_config/layer_norm_eps", 1e-3, 1e-1),
      of_field("/vision_config/hidden_act", "gelu_pytorch_tanh", "quick_gelu"),
      of_field("/vision_config/layer_norm_eps", 1e-6, 1e-2),
      of_field("/vision_config/hidden_act", "quick_gelu", "gelu"),
      of_field("/vision_config/hidden_act", "gelu", "quick_gelu"),
      of_field("/vision_feature_layer", -1, -2),
      of_field("/vision_feature_layer", -2, -1),
      of_field("/vision_feature_layer", -2, -3),
      of_field("/vision_feature_layer", 1, 2),
      of_field("/vision_feature_layer", 1, 0),
      of_field("/projector_hidden_act", "gelu", "gelu_new"),
      of_field("/projector_hidden_act", "relu", "gelu"),
      of_text("mrope_section_reversed",
              [](json& c) {
                auto& rope = c["rope_parameters"];
                if (!rope.contains("mrope_section") || c["model_type"] == "qwen3_vl_text")
                  return false;
                std::reverse(rope["mrope_section"].begin(), rope["mrope_section"].end());
                return true;
              }),
      of_field("/vision_config/hidden_act", "silu", "gelu"),
      llama_of_config("vision_rope_theta",
                      [](json& c) {
                        auto& vision = c["vision_config"];  // one frequency does not depend on it
                        return vision.contains("rope_parameters") && vision["num_heads"] != 4 &&
                               (vision["rope_parameters"]["rope_theta"] = 3.0, true);
                      }),
      of_field("/vision_config/window_size", 12, 6),
      of_field("/vision_config/window_size", 7, 8),
      of_field("/vision_config/fullatt_block_indexes", {1}, {0}),
      of_field("/vision_config/fullatt_block_indexes", {0, 2}, {0, 1, 2}),
      of_field("/vision_config/deepstack_visual_indexes", {0, 2}, {1, 2}),
      of_field("/vision_config/deepstack_visual_indexes", {0, 1}, {0, 2}),
  };
  for (const char* norm :
       {"layers.0.input_layernorm.weight", "layers.0.post_attention_layernorm.weight",
        "model.norm.weight", "layers.0.self_attn.q_norm.weight", "layers.1.self_attn.k_norm.weight",
        "pre_layrnorm.weight", "layers.0.layer_norm2.weight",
        "model.vision_model.post_layernorm.weight", "blocks.1.norm1.weight", "merger.ln_q.weight",
        "visual.merger.norm.weight", "deepstack_merger_list.0.norm.weight"})
    all.push_back(llama_of_weights("unscaled", norm, one));
  for (const char* bias :
       {"self_attn.q_proj.bias", "self_attn.v_proj.bias", "self_attn.o_proj.bias",
        "mlp.gate_proj.bias", "mlp.down_proj.bias", "pre_layrnorm.bias", "self_attn.out_proj.bias",
        "mlp.fc1.bias", "mlp.fc2.bias", "linear_1.bias", "linear_2.bias", "patch_embedding.bias",
        "blocks.0.attn.qkv.bias", "merger.mlp.0.bias", "patch_embed.proj.bias",
        "deepstack_merger_list.0.linear_fc2.bias"})
    all.push_back(llama_of_weights("dropped", bias, llama_zero));
  // In attention without rotary positions, as in vision towers, a bias of the keys has no effect.
  all.push_back(llama_of_weights("dropped", "model.layers.0.self_attn.k_proj.bias", llama_zero));
  all.push_back(llama_of_weights("reversed", "layers.0.self_attn.q_norm.weight",
                                 [](const at::Tensor& norm) { return norm.flip(0); }));
  all.push_back(llama_of_weights("interleaved", "layers.0.self_attn.q_proj.weight", interleaved));
  all.push_back(llama_of_weights("swapped", "layers.0.self_attn.k_proj.weight",
                                 [](const at::Tensor& k) { return k.roll(k.size(0) / 2, 0); }));
  all.push_back(llama_of_weights("shifted", "embeddings.position_embedding.weight",
                                 [](const at::Tensor& p) { return p.roll(1, 0); }));
  all.push_back(llama_of_weights("shifted", "pos_embed.weight",
                                 [](const at::Tensor& p) { return p.roll(1, 0); }));
  all.push_back(llama_of_weights("dropped", "embeddings.class_embedding", llama_zero));
  all.push_back(llama_of_weights("dropped", "image_newline", llama_zero));
  all.push_back(llama_of_weights("swapped", "modality_projection.proj.weight",
                                 [](const at::Tensor& p) { return p.roll(p.size(1) / 2, 1); }));

  std::vector<LlamaMutation> there;
  for (auto& mutation : all) {
    const auto space = mutation.name.find(' ');
    if (space == std::string::npos || has(fixture, mutation.name.substr(space + 1)))
      there.push_back(std::move(mutation));
  }
  return there;
}

bool llama_outputs_agree(const Fixture& fixture, const json& config, const LlamaMutation& mutation,
                         std::string& worst) {
  const auto model = fixtures::load(fixture, architecture_of(config), mutation.weights);
  const auto compared = compare_stages(*model, fixture, fixture.main_case());
  worst = fixtures::worst(compared);
  return fixtures::within(compared);
}

class LlamaMutated : public ::testing::TestWithParam<std::string> {
 protected:
  ThreadGuard threads_{1};
};

INSTANTIATE_TEST_SUITE_P(All, LlamaMutated,
                         ::testing::Values("llama/gqa", "llama/linear", "llama/biased",
                                           "llama/mistral", "llama/qwen2", "llama/qwen3",
                                           "llava/plain", "llava/full", "llava/siglip",
                                           "smolvlm/plain", "smolvlm/tiles", "qwen_vl/second",
                                           "qwen_vl/second_5", "qwen_vl/second_5_windows",
                                           "qwen_vl/third", "qwen_vl/third_deep",
                                           "llava_anyres/next", "llava_anyres/onevision"),
                         fixtures::test_name);

TEST_P(LlamaMutated, CorrectModelPasses) {
  const auto fixture = Fixture::open(GetParam());
  std::string worst;
  EXPECT_TRUE(llama_outputs_agree(fixture, fixture.config, {"", {}, llama_as_stored}, worst))
      << worst;
}

TEST_P(LlamaMutated, EveryMistakeFails) {
  const auto fixture = Fixture::open(GetParam());
  int tried = 0;
  for (const auto& mutation : llama_mutations(fixture)) {
    auto config = fixture.config;
    if (!mutation.config(config)) continue;
    std::string worst;
    EXPECT_FALSE(llama_outputs_agree(fixture, config, mutation, worst))
        << mutation.name << " goes unnoticed: " << worst;
    ++tried;
  }
  EXPECT_GE(tried, 8);
}

// A mistake is not only visible in the stage with it, but also in the logits of some fixture.
TEST(LlamaMutations, AreVisibleInTheLogits) {
  at::NoGradGuard no_grad;
  std::map<std::string, double> largest;
  for (const char* name :
       {"llama/gqa", "llama/linear", "llama/biased", "llama/qwen3", "llava/plain", "llava/full",
        "llava/siglip", "smolvlm/plain", "smolvlm/tiles", "qwen_vl/second", "qwen_vl/second_5",
        "qwen_vl/second_5_windows", "qwen_vl/third", "qwen_vl/third_deep", "llava_anyres/next",
        "llava_anyres/onevision"}) {
    const auto fixture = Fixture::open(name);
    const auto expected = fixture.tensor(fixture.main_case() + "/logits");
    for (const auto& mutation : llama_mutations(fixture)) {
      auto config = fixture.config;
      if (!mutation.config(config)) continue;
      const auto model = fixtures::load(fixture, architecture_of(config), mutation.weights);
      auto pass = model->collate(fixture.batch(fixture.main_case()));
      model->run(pass);
      auto& error = largest[mutation.name];
      error = std::max(error, fixtures::relative_error(pass.logits().index({pass.mask}), expected));
    }
  }
  EXPECT_GE(largest.size(), 30u);
  for (const auto& [mutation, error] : largest)
    EXPECT_GT(error, fixtures::kLogitsTolerance) << mutation;
}

}  // namespace
}  // namespace emend
