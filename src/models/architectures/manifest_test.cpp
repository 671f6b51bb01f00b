// Real folders, as listings of their content (tools/reference/models/make_manifests.py,
// make_llama_manifests.py and make_qwen_vl_manifests.py), with weights that take no memory.

#include <gmock/gmock.h>

#include <fstream>

#include "io/error.h"
#include "models/architectures/architecture.h"
#include "models/config/blip2_config.h"
#include "models/config/llava_config.h"
#include "models/config/qwen_vl_config.h"
#include "models/config/smolvlm_config.h"

namespace emend {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct Manifest {
  nlohmann::json config;
  int64_t parameters;
  std::vector<WeightInfo> tensors;
};

// `layers.{0..10..2}.x`: layers.0.x, layers.2.x, ..., layers.10.x.
std::vector<std::string> expanded(const std::string& pattern) {
  const auto open = pattern.find('{'), close = pattern.find('}');
  if (open == std::string::npos) return {pattern};
  int first = 0, last = 0, step = 1;
  std::sscanf(pattern.c_str() + open, "{%d..%d..%d}", &first, &last, &step);
  std::vector<std::string> names;
  for (int i = first; i <= last; i += step)
    names.push_back(pattern.substr(0, open) + std::to_string(i) + pattern.substr(close + 1));
  return names;
}

Manifest read_manifest(const std::string& name) {
  std::ifstream file(EMEND_SOURCE_DIR "/src/models/testdata/manifests/" + name + ".json");
  const auto json = nlohmann::json::parse(file);
  const std::map<std::string, at::ScalarType> dtypes{
      {"F32", at::kFloat}, {"F16", at::kHalf}, {"BF16", at::kBFloat16}};
  Manifest manifest{json.at("config"), json.at("parameters"), {}};
  for (const auto& line : json.at("tensors"))
    for (const auto& tensor : expanded(line.at(0)))
      manifest.tensors.push_back({tensor, line.at(1).get<std::vector<int64_t>>(),
                                  dtypes.at(line.at(2).get<std::string>())});
  return manifest;
}

std::unique_ptr<Model> build(const Manifest& manifest) {
  Weights weights(manifest.tensors, at::kBFloat16);
  return architecture_of(manifest.config).make_model(weights);
}

// The canonical name of a tensor in the layout of any release.
std::string last_part(const std::string& name) {
  const auto at = name.find("layers.");
  return at == std::string::npos ? name.substr(name.rfind('.', name.rfind('.') - 1) + 1)
                                 : name.substr(at);
}

std::string manifest_error(const Manifest& manifest) {
  try {
    build(manifest);
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

const std::vector<std::string> kBlip2{
    "blip2-opt-2.7b", "blip2-opt-2.7b-saved-again", "blip2-opt-2.7b-older",
    "blip2-opt-6.7b", "blip2-opt-6.7b-saved-again", "blip2-opt-6.7b-older"};
const std::vector<std::string> kLlava{"llava-1.5-7b", "llava-1.5-7b-saved-again", "llava-1.5-13b",
                                      "llava-1.5-13b-saved-again"};
const std::vector<std::string> kSmolVlm{"smolvlm-256m-instruct", "smolvlm2-500m-video-instruct"};
const std::vector<std::string> kQwenVl{
    "qwen2-vl-2b-instruct",   "qwen2-vl-2b-instruct-saved-again",
    "qwen2.5-vl-3b-instruct", "qwen2.5-vl-3b-instruct-saved-again",
    "qwen3-vl-2b-instruct",   "qwen3-vl-2b-instruct-saved-again"};
const std::vector<std::string> kAnyres{"llava-v1.6-mistral-7b", "llava-onevision-qwen2-0.5b"};
const std::vector<std::string> kText{"smollm2-135m", "smollm2-360m", "tinyllama-1.1b-chat",
                                     "vicuna-7b"};

std::vector<std::string> all_manifests() {
  auto all = kBlip2;
  for (const auto* more : {&kLlava, &kSmolVlm, &kQwenVl, &kAnyres, &kText})
    all.insert(all.end(), more->begin(), more->end());
  return all;
}

class Listed : public ::testing::TestWithParam<std::string> {
 protected:
  bool named(const char* part) const { return GetParam().find(part) != std::string::npos; }
  // One tensor of each module.
  std::vector<std::string> samples() const {
    if (named("blip2"))
      return {"query_tokens",
              "vision_model.embeddings.position_embedding",
              "vision_model.encoder.layers.38.self_attn.qkv.bias",
              "qformer.encoder.layer.10.crossattention.attention.key.weight",
              "qformer.encoder.layer.11.output_query.LayerNorm.bias",
              "language_projection.weight",
              "language_model.model.decoder.embed_positions.weight",
              "language_model.model.decoder.final_layer_norm.weight",
              "language_model.model.decoder.layers.31.fc2.weight"};
    if (named("smolvlm"))
      return {"model.vision_model.embeddings.patch_embedding.bias",
              "model.vision_model.embeddings.position_embedding.weight",
              "model.vision_model.encoder.layers.11.self_attn.out_proj.bias",
              "model.vision_model.post_layernorm.weight",
              "model.connector.modality_projection.proj.weight",
              "model.text_model.embed_tokens.weight",
              "model.text_model.layers.29.self_attn.k_proj.weight",
              "lm_head.weight"};
    if (named("vl-")) {
      const bool released = !named("again") && !named("qwen3");
      const std::string tower = released ? "visual." : "model.visual.";
      const std::string text = released ? "model." : "model.language_model.";
      return {tower + "patch_embed.proj.weight",
              tower + "blocks.23.attn.qkv.bias",
              tower + (named("qwen3") ? "merger.norm.bias" : "merger.ln_q.weight"),
              tower + (named("qwen3") ? "deepstack_merger_list.2.linear_fc2.bias"
                                      : "merger.mlp.2.bias"),
              text + "embed_tokens.weight",
              text + "layers.27.self_attn.k_proj.weight",
              text + "norm.weight"};
    }
    if (!named("llava"))
      return {"model.embed_tokens.weight", "model.layers.21.self_attn.k_proj.weight",
              "model.layers.3.mlp.gate_proj.weight", "model.norm.weight"};
    if (named("v1.6") || named("onevision"))
      return {"image_newline",
              "vision_tower.vision_model.embeddings.patch_embedding.weight",
              "vision_tower.vision_model.encoder.layers.23.mlp.fc2.weight",
              "vision_tower.vision_model.post_layernorm.weight",
              "multi_modal_projector.linear_2.bias",
              "language_model.model.layers.23.self_attn.o_proj.weight"};
    const std::string tower = named("again") ? "vision_tower." : "vision_tower.vision_model.";
    return {tower + "embeddings.class_embedding",
            tower + "pre_layrnorm.bias",
            tower + "encoder.layers.23.mlp.fc2.weight",  // not used, but required
            tower + "post_layernorm.weight",
            "multi_modal_projector.linear_2.bias",
            "language_model.model.embed_tokens.weight",
            "language_model.model.layers.31.self_attn.o_proj.weight",
            "language_model.lm_head.weight"};
  }
  // The index of a tensor in the manifest.
  size_t find(const std::string& name) const {
    size_t i = 0;
    while (manifest.tensors.at(i).name != name) ++i;
    return i;
  }

  Manifest manifest = read_manifest(GetParam());
};

std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  auto name = info.param;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, Listed, ::testing::ValuesIn(all_manifests()), test_name);

class RealFolder : public Listed {
 protected:
  bool large() const { return named("6.7b"); }
  bool older() const { return named("older"); }
};

INSTANTIATE_TEST_SUITE_P(All, RealFolder, ::testing::ValuesIn(kBlip2), test_name);

TEST_P(Listed, HasExactlyTheListedParameters) {
  const auto model = build(manifest);
  int64_t count = 0;
  for (const auto& [name, tensor] : model->parameters()) count += tensor.numel();
  EXPECT_EQ(count, manifest.parameters);
}

TEST_P(RealFolder, IsAccepted) {
  const auto model = build(manifest);
  // If the listing has a copy of the tied head, it is not a parameter.
  EXPECT_EQ(model->parameters().size(), 1247u);
  EXPECT_EQ(manifest.tensors.size(), older() ? 1248u : 1247u);
  int64_t count = 0;
  for (const auto& [name, tensor] : model->parameters()) count += tensor.numel();
  const int64_t vocabulary = older() ? 50272 : 50304;
  EXPECT_EQ(count, manifest.parameters);
  EXPECT_EQ(model->stages().size(), (39u + 2) + (12 + 2) + (32 + 2));
  EXPECT_EQ(model->num_image_tokens(), 32);
  EXPECT_EQ(model->vocabulary(), vocabulary);
  EXPECT_EQ(model->max_positions(), 2048);
  const auto& fc1 = model->site("language_model.model.decoder.layers.31.fc1");
  EXPECT_EQ(fc1.out, large() ? 16384 : 10240);
}

TEST_P(RealFolder, AbsentFieldsTakeHuggingFaceDefaults) {
  const auto c = Blip2Config::parse(manifest.config);
  EXPECT_EQ(c.vision.hidden, 1408);
  EXPECT_EQ(c.vision.intermediate, 6144);
  EXPECT_EQ(c.vision.layers, 39);
  EXPECT_EQ(c.vision.heads, 16);
  EXPECT_EQ(c.vision.image_size, 224);
  EXPECT_EQ(c.vision.patch_size, 14);
  EXPECT_EQ(c.vision.eps, 1e-6);
  EXPECT_EQ(c.vision.activation, Activation::gelu);
  EXPECT_TRUE(c.vision.qkv_bias);
  EXPECT_EQ(c.qformer.hidden, 768);
  EXPECT_EQ(c.qformer.intermediate, 3072);
  EXPECT_EQ(c.qformer.layers, 12);
  EXPECT_EQ(c.qformer.heads, 12);
  EXPECT_EQ(c.qformer.cross_attention_frequency, 2);
  EXPECT_EQ(c.qformer.eps, 1e-12);
  EXPECT_EQ(c.qformer.activation, Activation::gelu);
  EXPECT_EQ(c.text.hidden, large() ? 4096 : 2560);
  EXPECT_EQ(c.text.embedding_width, c.text.hidden);
  EXPECT_EQ(c.text.layers, 32);
  EXPECT_EQ(c.text.heads, 32);
  EXPECT_EQ(c.text.max_positions, 2048);
  EXPECT_EQ(c.text.eps, 1e-5);
  EXPECT_EQ(c.text.activation, Activation::relu);
  EXPECT_TRUE(c.text.norm_before && c.text.final_norm && c.text.bias && c.text.norm_affine);
  EXPECT_TRUE(c.text.tied);
  EXPECT_EQ(c.queries, 32);
  EXPECT_EQ(c.image_token, older() ? -1 : 50265);
}

class Llava15 : public Listed {};
INSTANTIATE_TEST_SUITE_P(All, Llava15, ::testing::ValuesIn(kLlava), test_name);

TEST_P(Llava15, AgreesWithItsConfig) {
  const bool large = named("13b");
  const auto c = LlavaConfig::parse(manifest.config);
  EXPECT_EQ(c.vision.hidden, 1024);
  EXPECT_EQ(c.vision.layers, 24);
  EXPECT_EQ(c.vision_blocks(), 23);
  EXPECT_EQ(c.vision.activation, Activation::quick_gelu);
  EXPECT_EQ(c.text.hidden, large ? 5120 : 4096);
  EXPECT_EQ(c.text.eps, 1e-5);
  EXPECT_EQ(c.text.rotary.theta, 10000);
  EXPECT_FALSE(c.text.tied);
  const auto model = build(manifest);
  EXPECT_EQ(model->num_image_tokens(), 576);
  EXPECT_EQ(model->vocabulary(), 32064);
  EXPECT_EQ(model->max_positions(), 4096);
  EXPECT_EQ(model->stages().size(), 24u + 1 + (large ? 42 : 34));
  // With the names of any release; blocks that do not run have no sites.
  const auto& down = model->site("model.language_model.layers.31.mlp.down_proj");
  EXPECT_EQ(down.name, "language_model.model.layers.31.mlp.down_proj");
  EXPECT_EQ(down.in, large ? 13824 : 11008);
  EXPECT_EQ(model->site("model.vision_tower.encoder.layers.22.mlp.fc1").stage, 23u);
  EXPECT_EQ(model->site("lm_head").stage, model->stages().size() - 1);
  EXPECT_THROW(model->site("vision_tower.vision_model.encoder.layers.23.mlp.fc1"), Error);
}

class SmolVlmListed : public Listed {};
INSTANTIATE_TEST_SUITE_P(All, SmolVlmListed, ::testing::ValuesIn(kSmolVlm), test_name);

TEST_P(SmolVlmListed, AgreesWithItsConfig) {
  const bool large = named("500m");
  const auto c = SmolVlmConfig::parse(manifest.config);
  EXPECT_EQ(c.vision.intermediate, 3072);
  EXPECT_EQ(c.vision.layers, 12);
  EXPECT_EQ(c.vision.grid(), 32);
  EXPECT_EQ(c.vision.eps, 1e-6);
  EXPECT_EQ(c.vision.activation, Activation::gelu_tanh);
  EXPECT_EQ(c.text.rotary.theta, 100000);
  EXPECT_EQ(c.image_token, 49190);
  EXPECT_FALSE(c.text.tied);
  EXPECT_EQ(manifest.parameters, large ? 507482304 : 256484928);
  const auto model = build(manifest);
  EXPECT_EQ(model->num_image_tokens(), 64);
  EXPECT_EQ(model->max_positions(), 8192);
  EXPECT_EQ(model->stages().size(), 14u + 1 + (large ? 34 : 32));
  EXPECT_EQ(model->site("lm_head").out, 49280);
  EXPECT_EQ(model->find_sites(model->default_sites(Module::language)).size(), 3u);
  EXPECT_EQ(model->find_sites(model->default_sites(Module::connector))[0].in, 12288);
}

class AnyresListed : public Listed {};
INSTANTIATE_TEST_SUITE_P(All, AnyresListed, ::testing::ValuesIn(kAnyres), test_name);

TEST_P(AnyresListed, AgreesWithItsConfig) {
  const bool next = named("v1.6");
  const auto c = LlavaConfig::parse(manifest.config);
  EXPECT_EQ(c.pinpoints.size(), next ? 5u : 36u);
  EXPECT_EQ(c.most_tiles, next ? 0 : 9);
  EXPECT_EQ(c.text.rotary.theta, 1e6);
  EXPECT_EQ(c.text.tied, !next);
  const auto model = build(manifest);
  const auto side = next ? 336 : 384;
  const auto tokens = [&](int64_t height, int64_t width) {
    const auto resolution = best_resolution(height, width, c.pinpoints);
    const auto tiles = 1 + resolution[0] / side * (resolution[1] / side);
    return model->image_tokens(pack_anyres(height, width, at::zeros({tiles, 3, side, side})));
  };
  // As the processors of transformers count them; the second grid of OneVision is reduced.
  EXPECT_EQ(tokens(480, 640), next ? 2340 : 2929);
  EXPECT_EQ(tokens(2000, 3000), next ? 2144 : 7329);
  EXPECT_EQ(model->site("model.language_model.layers.3.mlp.up_proj").in, next ? 4096 : 896);
}

class QwenVlListed : public Listed {};
INSTANTIATE_TEST_SUITE_P(All, QwenVlListed, ::testing::ValuesIn(kQwenVl), test_name);

TEST_P(QwenVlListed, AgreesWithItsConfig) {
  const bool third = named("qwen3"), windows = named("2.5");
  const auto c = QwenVlConfig::parse(manifest.config);
  EXPECT_EQ(c.vision.hidden, third ? 1024 : 1280);
  EXPECT_EQ(c.vision.intermediate, third ? 4096 : windows ? 3420 : 5120);
  EXPECT_EQ(c.vision.layers, third ? 24 : 32);
  EXPECT_EQ(c.vision.side(), third ? 32 : 28);
  EXPECT_EQ(c.vision.window, windows ? 4 : 0);
  EXPECT_EQ(c.vision.position_side, third ? 48 : 0);
  EXPECT_EQ(c.vision.deepstack.size(), third ? 3u : 0u);
  EXPECT_EQ(c.text.rotary.theta, third ? 5e6 : 1e6);
  EXPECT_EQ(c.text.rotary.sections,
            third ? (std::vector<int64_t>{24, 20, 20}) : (std::vector<int64_t>{16, 24, 24}));
  EXPECT_EQ(c.text.head_width, 128);
  EXPECT_TRUE(c.text.tied);
  EXPECT_EQ(c.image_token, 151655);
  EXPECT_EQ(c.stop_tokens, std::vector<int64_t>{151645});
  const auto model = build(manifest);
  EXPECT_EQ(model->max_positions(), third ? 262144 : windows ? 128000 : 32768);
  EXPECT_EQ(model->vocabulary(), 151936);
  EXPECT_EQ(model->stages().size(), (third ? 24u : 32u) + 2 + (windows ? 38u : 30u));
  EXPECT_EQ(model->image_tokens(at::empty({3, 224, 448})), third ? 7 * 14 : 8 * 16);
  // With the names of any release.
  const auto& down = model->site("model.language_model.layers.27.mlp.down_proj");
  EXPECT_EQ(down.out, c.text.hidden);
  EXPECT_EQ(model->site("visual.blocks.3.attn.proj").stage, 4u);
  EXPECT_EQ(model->find_sites(model->default_sites(Module::connector)).size(), third ? 8u : 2u);
  EXPECT_EQ(model->find_sites(model->default_sites(Module::language)).size(), 3u);
}

TEST(LlamaFolder, SmolLm2IsTextOnly) {
  const auto manifest = read_manifest("smollm2-135m");
  const auto model = build(manifest);
  EXPECT_EQ(model->num_image_tokens(), 0);
  EXPECT_EQ(model->max_positions(), 8192);
  EXPECT_EQ(model->stages().size(), 32u);
  EXPECT_EQ(model->site("model.layers.29.self_attn.k_proj").out, 192);
  EXPECT_EQ(model->find_sites(model->default_sites(Module::language)).size(), 3u);
  EXPECT_TRUE(model->default_sites(Module::connector).empty());
}

TEST_P(Listed, ErrorsNameMissingTensors) {
  for (const auto& name : samples()) {
    auto changed = manifest;
    changed.tensors.erase(changed.tensors.begin() + find(name));
    EXPECT_THAT(manifest_error(changed),
                AllOf(HasSubstr(" missing: "), HasSubstr(last_part(name))));
  }
}

TEST_P(Listed, ErrorsNameUnexpectedTensors) {
  for (const auto& name : samples()) {
    auto changed = manifest;
    changed.tensors.push_back(manifest.tensors[find(name)]);
    changed.tensors.back().name += ".copy";
    EXPECT_THAT(manifest_error(changed), HasSubstr("unexpected: " + name + ".copy"));
  }
}

TEST_P(Listed, ErrorsNameWrongShapes) {
  for (const auto& name : samples()) {
    auto changed = manifest;
    changed.tensors[find(name)].shape[0] += 1;
    EXPECT_THAT(manifest_error(changed), HasSubstr("with a wrong shape or dtype: " + name));
    changed = manifest;
    changed.tensors[find(name)].shape.push_back(1);
    EXPECT_THAT(manifest_error(changed), HasSubstr("with a wrong shape or dtype: " + name));
  }
}

}  // namespace
}  // namespace emend
