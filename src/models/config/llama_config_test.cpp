#include "models/config/llama_config.h"

#include <gmock/gmock.h>

#include <fstream>
#include <set>

#include "io/error.h"
#include "models/architectures/architecture.h"
#include "models/testing/fixture.h"

namespace emend {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

const std::string kLlamaData = EMEND_SOURCE_DIR "/src/models/testdata/llama/";

LlamaConfig parse(const json& config) {
  return LlamaConfig::parse(JsonFields("config.json", config));
}

std::string llama_refusal(const json& config) {
  try {
    parse(config);
    return "accepted";
  } catch (const Error& e) {
    return e.what();
  }
}

// Every rope type agrees with transformers, within and beyond the trained length.
TEST(LlamaConfig, RotaryPositionsAgreeWithTransformers) {
  std::ifstream file(kLlamaData + "rope.json");
  const auto configs = json::parse(file);
  const auto expected = SafetensorsFile::open(kLlamaData + "rope.safetensors");
  std::set<RotaryConfig::Kind> kinds;
  for (size_t i = 0; i < configs.size(); ++i) {
    const auto config = parse(configs[i]);
    kinds.insert(config.rotary.kind);
    const Rotary rotary(config.rotary);
    for (const char* length : {"short", "long"}) {
      const auto key = fmt::format("{}/{}/", i, length);
      const auto rotation =
          rotary.rotation(expected->tensor(key + "positions").clone(), at::kFloat);
      for (const auto& [name, got] :
           {std::pair{"cos", rotation.cosine}, std::pair{"sin", rotation.sine}}) {
        const auto half = expected->tensor(key + name).clone();
        const auto both = at::cat({half, half}, -1).unsqueeze(1);
        EXPECT_LT((got - both).abs().max().item<double>(), 4e-5) << key << name;
      }
    }
  }
  EXPECT_EQ(kinds.size(), 6u);
}

// The formats of older and newer releases are equivalent.
TEST(LlamaConfig, ReadsBothRopeFormats) {
  std::ifstream file(kLlamaData + "rope.json");
  for (auto config : json::parse(file)) {
    const auto newer = parse(config).canonical();
    auto scaling = config["rope_parameters"];
    config.erase("rope_parameters");
    config["rope_theta"] = scaling["rope_theta"];
    scaling.erase("rope_theta");
    if (scaling["rope_type"] == "default")
      scaling = nullptr;
    else
      scaling["type"] = scaling["rope_type"], scaling.erase("rope_type");
    config["rope_scaling"] = scaling;
    EXPECT_EQ(parse(config).canonical(), newer) << config;
  }
}

TEST(LlamaConfig, HasTransformersDefaults) {
  const auto c = parse(json::object());
  EXPECT_EQ(c.vocabulary, 32000);
  EXPECT_EQ(c.hidden, 4096);
  EXPECT_EQ(c.intermediate, 11008);
  EXPECT_EQ(c.layers, 32);
  EXPECT_EQ(c.heads, 32);
  EXPECT_EQ(c.key_value_heads, 32);
  EXPECT_EQ(c.head_width, 128);
  EXPECT_EQ(c.max_positions, 2048);
  EXPECT_EQ(c.activation, Activation::silu);
  EXPECT_EQ(c.eps, 1e-6);
  EXPECT_EQ(c.rotary.kind, RotaryConfig::Kind::plain);
  EXPECT_EQ(c.rotary.theta, 10000);
  EXPECT_FALSE(c.tied || c.qkv_bias || c.out_bias || c.mlp_bias || c.qk_norm);
  // Scaling allows more positions than max_position_embeddings.
  EXPECT_EQ(parse({{"rope_scaling", {{"type", "linear"}, {"factor", 4}}}}).max_positions, 8192);
}

TEST(LlamaConfig, HasTheDefaultsOfTheModelType) {
  const auto mistral = parse({{"model_type", "mistral"}});
  EXPECT_EQ(mistral.intermediate, 14336);
  EXPECT_EQ(mistral.key_value_heads, 8);
  EXPECT_EQ(mistral.max_positions, 4096);  // sliding_window
  const auto qwen2 = parse({{"model_type", "qwen2"}});
  EXPECT_EQ(qwen2.vocabulary, 151936);
  EXPECT_EQ(qwen2.intermediate, 22016);
  EXPECT_EQ(qwen2.key_value_heads, 32);
  EXPECT_EQ(qwen2.max_positions, 32768);
  EXPECT_TRUE(qwen2.qkv_bias);
  EXPECT_FALSE(qwen2.out_bias || qwen2.qk_norm);
  const auto qwen3 = parse({{"model_type", "qwen3"}, {"hidden_size", 1000}});
  EXPECT_EQ(qwen3.head_width, 128);
  EXPECT_TRUE(qwen3.qk_norm);
  EXPECT_FALSE(qwen3.qkv_bias || qwen3.out_bias);
}

// Rows that are not longer than the window have full attention.
TEST(LlamaConfig, LimitsPositionsToTheSlidingWindow) {
  const auto positions = [](json config) { return parse(std::move(config)).max_positions; };
  EXPECT_EQ(positions({{"model_type", "mistral"}, {"sliding_window", nullptr}}), 131072);
  EXPECT_EQ(positions({{"model_type", "mistral"}, {"sliding_window", 512}}), 512);
  EXPECT_EQ(positions({{"model_type", "qwen2"}, {"sliding_window", 512}}), 32768);
  EXPECT_EQ(positions({{"model_type", "qwen2"}, {"use_sliding_window", true}}), 4096);
  const json kinds = {"full_attention", "sliding_attention"};
  EXPECT_EQ(positions({{"model_type", "qwen3"}, {"sliding_window", 64}, {"layer_types", kinds}}),
            64);
}

TEST(LlamaConfig, RejectsFieldsThatAreNotImplemented) {
  const auto rope = [](const json& scaling) { return llama_refusal({{"rope_scaling", scaling}}); };
  EXPECT_THAT(rope({{"type", "mrope"}}), HasSubstr("rope_scaling: rope type `mrope`"));
  EXPECT_THAT(rope({{"type", "linear"}}), HasSubstr("rope_scaling.factor is missing"));
  EXPECT_THAT(rope({{"type", "linear"}, {"factor", "two"}}), HasSubstr("rope_scaling.factor"));
  EXPECT_THAT(rope({{"type", "linear"}, {"factor", 0}}), HasSubstr("rope_scaling.factor"));
  EXPECT_THAT(rope({{"type", "default"}, {"mrope_section", {1, 2}}}), HasSubstr("mrope_section"));
  EXPECT_THAT(rope({{"type", "yarn"}, {"partial_rotary_factor", 0.5}}),
              HasSubstr("partial_rotary_factor"));
  EXPECT_THAT(rope({{"type", "longrope"}, {"short_factor", {1, 2}}}), HasSubstr("64 numbers"));
  EXPECT_THAT(rope("linear"), HasSubstr("rope_scaling"));
  EXPECT_THAT(llama_refusal({{"rope_interleaved", true}}), HasSubstr("rope_interleaved"));
  EXPECT_THAT(llama_refusal({{"quantization_config", json::object()}}),
              HasSubstr("quantization_config"));
  EXPECT_THAT(llama_refusal({{"model_type", "qwen2_moe"}}),
              HasSubstr("llama, mistral, qwen2 or qwen3"));
  EXPECT_THAT(llama_refusal({{"model_type", "qwen3"}, {"layer_types", {"linear_attention"}}}),
              HasSubstr("layer_types"));
  EXPECT_THAT(llama_refusal({{"hidden_act", "swiglu"}}), HasSubstr("hidden_act is `swiglu`"));
  EXPECT_THAT(llama_refusal({{"num_attention_heads", 3}}), HasSubstr("hidden_size"));
  EXPECT_THAT(llama_refusal({{"num_key_value_heads", 5}}), HasSubstr("num_key_value_heads is 5"));
  EXPECT_THAT(llama_refusal({{"head_dim", 7}}), HasSubstr("head size 7 is odd"));
  EXPECT_EQ(llama_refusal({{"rope_scaling", nullptr}, {"rope_theta", 5e5}, {"pretraining_tp", 2}}),
            "accepted");
}

// Different configurations have different canonical texts.
TEST(LlamaConfig, CanonicalTextContainsEveryField) {
  const json plain = {{"rope_scaling", {{"type", "yarn"}, {"factor", 2}}}};
  const json fields = {{"vocab_size", 9},          {"hidden_size", 64},
                       {"intermediate_size", 9},   {"num_hidden_layers", 3},
                       {"num_key_value_heads", 8}, {"head_dim", 2},
                       {"rms_norm_eps", 1e-3},     {"max_position_embeddings", 99},
                       {"hidden_act", "gelu"},     {"attention_bias", true},
                       {"mlp_bias", true},         {"tie_word_embeddings", true},
                       {"rope_theta", 77}};
  const json of_rope = {{"factor", 3},       {"original_max_position_embeddings", 99},
                        {"beta_fast", 9},    {"beta_slow", 2},
                        {"truncate", false}, {"attention_factor", 0.5}};
  std::set<std::string> seen{parse(plain).canonical()};
  for (const auto& [name, value] : fields.items()) {
    auto changed = plain;
    changed[name] = value;
    seen.insert(parse(changed).canonical());
  }
  for (const auto& [name, value] : of_rope.items()) {
    auto changed = plain;
    changed["rope_scaling"][name] = value;
    seen.insert(parse(changed).canonical());
  }
  for (const char* type : {"qwen2", "qwen3"}) {
    auto changed = plain;
    changed["model_type"] = type;
    for (const auto& [name, value] : fields.items()) changed[name] = value;
    changed["attention_bias"] = type == std::string("qwen3");
    changed["mlp_bias"] = false;
    seen.insert(parse(changed).canonical());
  }
  EXPECT_EQ(seen.size(), 3 + fields.size() + of_rope.size());
}

TEST(LlamaConfig, IsARegisteredArchitecture) {
  const auto of = [](const json& config) {
    try {
      return architecture_of(config).canonical;
    } catch (const Error& e) {
      return std::string(e.what());
    }
  };
  EXPECT_THAT(of({{"architectures", {"LlamaForCausalLM"}}}), HasSubstr("llama;"));
  EXPECT_THAT(of({{"model_type", "llama"}}), HasSubstr("llama;"));
  EXPECT_THAT(of({{"architectures", {"MambaForCausalLM"}}, {"model_type", "llama"}}),
              HasSubstr("MambaForCausalLM"));
  EXPECT_THAT(of({{"model_type", "mamba"}}), HasSubstr("`mamba`"));
  EXPECT_THAT(of(json::object()), HasSubstr("no architectures"));
  EXPECT_THAT(of(json::array()), HasSubstr("not an object"));
}

}  // namespace
}  // namespace emend
