// The real BLIP-2 OPT-2.7b and 6.7b, from listings of what their folders hold
// (tools/reference/make_manifests.py), on weights that take no memory.

#include <gmock/gmock.h>

#include <fstream>

#include "io/error.h"
#include "models/blip2.h"
#include "models/weights.h"

namespace emend {
namespace {

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
  return make_blip2(Blip2Config::parse(manifest.config), weights);
}

std::string error_of(const Manifest& manifest) {
  try {
    build(manifest);
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

const std::vector<std::string> kManifests{
    "blip2-opt-2.7b", "blip2-opt-2.7b-saved-again", "blip2-opt-2.7b-older",
    "blip2-opt-6.7b", "blip2-opt-6.7b-saved-again", "blip2-opt-6.7b-older"};

// From each part.
const std::vector<std::string> kSamples{
    "query_tokens",
    "vision_model.embeddings.position_embedding",
    "vision_model.encoder.layers.38.self_attn.qkv.bias",
    "qformer.encoder.layer.10.crossattention.attention.key.weight",
    "qformer.encoder.layer.11.output_query.LayerNorm.bias",
    "language_projection.weight",
    "language_model.model.decoder.embed_positions.weight",
    "language_model.model.decoder.final_layer_norm.weight",
    "language_model.model.decoder.layers.31.fc2.weight"};

class RealFolder : public ::testing::TestWithParam<std::string> {
 protected:
  bool large() const { return GetParam().find("6.7b") != std::string::npos; }
  bool older() const { return GetParam().find("older") != std::string::npos; }
  // The index of a tensor in the manifest.
  size_t find(const std::string& name) const {
    size_t i = 0;
    while (manifest.tensors.at(i).name != name) ++i;
    return i;
  }

  Manifest manifest = read_manifest(GetParam());
};

INSTANTIATE_TEST_SUITE_P(All, RealFolder, ::testing::ValuesIn(kManifests), [](const auto& info) {
  auto name = info.param;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
});

TEST_P(RealFolder, IsAcceptedWhole) {
  const auto model = build(manifest);
  // Where the listing has the tied head a second time, it is no parameter of its own.
  EXPECT_EQ(model->parameters().size(), 1247u);
  EXPECT_EQ(manifest.tensors.size(), older() ? 1248u : 1247u);
  int64_t count = 0;
  for (const auto& [name, tensor] : model->parameters()) count += tensor.numel();
  const int64_t vocabulary = older() ? 50272 : 50304;
  EXPECT_EQ(count, manifest.parameters);
  EXPECT_EQ(model->stages().size(), (39u + 2) + (12 + 2) + (32 + 2));
  EXPECT_EQ(model->image_slots(), 32);
  EXPECT_EQ(model->vocabulary(), vocabulary);
  EXPECT_EQ(model->max_positions(), 2048);
  const auto& fc1 = model->site("language_model.model.decoder.layers.31.fc1");
  EXPECT_EQ(fc1.out, large() ? 16384 : 10240);
}

TEST_P(RealFolder, HasHuggingFacesDefaultsWhereFieldsAreAbsent) {
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

TEST_P(RealFolder, NamesWhatIsMissing) {
  for (const auto& name : kSamples) {
    auto changed = manifest;
    changed.tensors.erase(changed.tensors.begin() + find(name));
    EXPECT_THAT(error_of(changed), ::testing::HasSubstr("missing: " + name));
  }
}

TEST_P(RealFolder, NamesWhatIsLeftOver) {
  for (const auto& name : kSamples) {
    auto changed = manifest;
    changed.tensors.push_back(manifest.tensors[find(name)]);
    changed.tensors.back().name += ".copy";
    EXPECT_THAT(error_of(changed), ::testing::HasSubstr("not expected: " + name + ".copy"));
  }
}

TEST_P(RealFolder, NamesWhatIsMisshapen) {
  for (const auto& name : kSamples) {
    auto changed = manifest;
    changed.tensors[find(name)].shape[0] += 1;
    EXPECT_THAT(error_of(changed), ::testing::HasSubstr("misshapen: " + name));
    changed = manifest;
    changed.tensors[find(name)].shape.push_back(1);
    EXPECT_THAT(error_of(changed), ::testing::HasSubstr("misshapen: " + name));
  }
}

}  // namespace
}  // namespace emend
