#include "models/config/llama_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <set>

#include "io/error.h"

namespace emend {
namespace {

using Kind = RotaryConfig::Kind;

constexpr double kLargestSize = 1e12;

const char* const kKinds[] = {"default", "linear", "dynamic", "llama3", "yarn", "longrope"};

Kind kind_of(const std::string& name, const char* where) {
  for (int k = 0; k < 6; ++k)
    if (name == kKinds[k]) return static_cast<Kind>(k);
  if (name == "su") return Kind::longrope;  // the former name
  throw Error("models::config", fmt::format("{}: rope type `{}` is not implemented", where, name),
              fmt::format("implemented: {}", fmt::join(kKinds, ", ")));
}

double magnitude(double scale, double weight) {
  return scale <= 1 ? 1 : 0.1 * weight * std::log(scale) + 1;
}

void read_yarn(const JsonFields& json, RotaryConfig& c) {
  const auto or_default = [](double value, double usual) { return value > 0 ? value : usual; };
  c.beta_fast = or_default(json.number("beta_fast", 0, 0, kLargestSize), 32);
  c.beta_slow = or_default(json.number("beta_slow", 0, 0, kLargestSize), 1);
  c.truncate = json.boolean("truncate", true);
  const double own = json.number("mscale", 0, 0, kLargestSize);
  const double all = json.number("mscale_all_dim", 0, 0, kLargestSize);
  c.attention_factor = own > 0 && all > 0 ? magnitude(c.factor, own) / magnitude(c.factor, all)
                                          : magnitude(c.factor, 1);
  c.attention_factor = json.number("attention_factor", c.attention_factor, 0, kLargestSize);
}

void read_longrope(const JsonFields& json, RotaryConfig& c) {
  c.short_factors = json.numbers("short_factor", c.width / 2, 1e-6, kLargestSize);
  c.long_factors = json.numbers("long_factor", c.width / 2, 1e-6, kLargestSize);
  const double trained = static_cast<double>(c.trained);
  c.attention_factor = c.factor <= 1 ? 1 : std::sqrt(1 + std::log(c.factor) / std::log(trained));
  c.attention_factor = json.number("attention_factor", c.attention_factor, 0, kLargestSize);
}

// Newer releases replaced `rope_theta` and `rope_scaling` by `rope_parameters`.
const char* rope_field(const JsonFields& config) {
  return config.has("rope_scaling") ? "rope_scaling" : "rope_parameters";
}

// The axes of Qwen-VL's positions. Its rope type `mrope` is the default type with several axes.
void read_sections(const JsonFields& config, bool interleaved, RotaryConfig& c) {
  const auto* where = rope_field(config);
  const auto json = config.object(where);
  c.sections = json.ids("mrope_section");
  if (c.sections.empty())
    c.sections = interleaved ? std::vector<int64_t>{24, 20, 20} : std::vector<int64_t>{16, 24, 24};
  json.expect_flag("mrope_interleaved", interleaved);
  c.interleaved = interleaved;
  int64_t sum = 0;
  bool fits = c.sections.size() == 3;
  for (auto section : c.sections) {
    fits = fits && section >= 0 && section <= c.width;
    sum += fits ? section : 0;
  }
  if (!fits || sum != c.width / 2)
    throw Error("models::config",
                fmt::format("{}.mrope_section is [{}], but a head has {} frequencies", where,
                            fmt::join(c.sections, ", "), c.width / 2),
                "three numbers must add up to half of the head size; correct config.json");
}

RotaryConfig rotary(const JsonFields& config, int64_t width, int64_t max_positions, bool axes,
                    double theta) {
  const char* where = rope_field(config);
  const auto json = config.object(where);
  std::set<std::string> known = {"type",
                                 "rope_type",
                                 "rope_theta",
                                 "factor",
                                 "original_max_position_embeddings",
                                 "low_freq_factor",
                                 "high_freq_factor",
                                 "beta_fast",
                                 "beta_slow",
                                 "truncate",
                                 "mscale",
                                 "mscale_all_dim",
                                 "attention_factor",
                                 "short_factor",
                                 "long_factor",
                                 "partial_rotary_factor"};
  if (axes) known.insert({"mrope_section", "mrope_interleaved"});
  json.expect_only(known);
  config.number("partial_rotary_factor", 1, 1, 1);
  json.number("partial_rotary_factor", 1, 1, 1);
  config.expect_flag("rope_interleaved", false);
  RotaryConfig c;
  c.theta = theta;
  c.width = width;
  c.theta = json.number("rope_theta", config.number("rope_theta", c.theta, 1, kLargestSize), 1,
                        kLargestSize);
  const auto named = json.string("rope_type");
  const auto kind = named ? *named : json.string("type").value_or("default");
  c.kind = axes && kind == "mrope" ? Kind::plain : kind_of(kind, where);
  if (c.kind == Kind::plain) return c;

  c.trained = max_positions;
  const bool extended = c.kind != Kind::linear && c.kind != Kind::dynamic;
  if (extended) {
    config.expect_absent("original_max_position_embeddings");
    c.trained = json.integer("original_max_position_embeddings", max_positions, 2, kMaxDimension);
  }
  const double implied = static_cast<double>(max_positions) / static_cast<double>(c.trained);
  if (!json.has("factor") && c.kind != Kind::yarn && c.kind != Kind::longrope)
    throw Error("models::config", fmt::format("{}.factor is missing", where),
                "scaled rope types other than yarn and longrope require a factor");
  c.factor = json.number("factor", implied, 1e-6, kLargestSize);
  if (c.kind == Kind::dynamic && width < 4)
    throw Error("models::config", "the rope type `dynamic` requires a head size of at least 4",
                "use another rope type or a larger head size");
  if (c.kind == Kind::llama3) {
    c.low_frequency = json.number("low_freq_factor", c.low_frequency, 1e-6, kLargestSize);
    c.high_frequency = json.number("high_freq_factor", c.high_frequency, 1e-6, kLargestSize);
    if (c.high_frequency == c.low_frequency)
      throw Error("models::config",
                  fmt::format("{}: low_freq_factor and high_freq_factor are both {}", where,
                              c.low_frequency),
                  "high_freq_factor must be larger; correct config.json");
  }
  if (c.kind == Kind::yarn) read_yarn(json, c);
  if (c.kind == Kind::longrope) read_longrope(json, c);
  return c;
}

// The defaults of a model type's configuration in transformers.
LlamaConfig model_type_defaults(const JsonFields& json) {
  LlamaConfig c;
  const auto type = json.string("model_type").value_or("llama");
  if (type == "llama") return c;
  if (type == "mistral") {
    c.intermediate = 14336;
    c.key_value_heads = 8;
    c.max_positions = 131072;
  } else if (type == "qwen2" || type == "qwen3") {
    c.vocabulary = 151936;
    c.intermediate = 22016;
    c.max_positions = 32768;
    c.qkv_bias = type == "qwen2";
    c.qk_norm = type == "qwen3";
  } else {
    json.refuse("model_type", "llama, mistral, qwen2 or qwen3");
  }
  return c;
}

// Qwen2 and Qwen3 use a window only with `use_sliding_window`. Newer releases list the kind of each
// layer.
bool has_sliding_window(const JsonFields& json, const std::string& type) {
  const auto kinds = json.strings("layer_types");
  for (const auto& kind : kinds)
    if (kind != "full_attention" && kind != "sliding_attention")
      json.refuse("layer_types", "full_attention or sliding_attention");
  if (!kinds.empty())
    return std::find(kinds.begin(), kinds.end(), "sliding_attention") != kinds.end();
  if (type == "mistral") return !json.is_null("sliding_window");
  return type != "llama" && json.boolean("use_sliding_window", false);
}

// `type`: llama, mistral, qwen2 or qwen3. `axes`: rotary positions have three axes (Qwen-VL).
LlamaConfig parse_decoder(const JsonFields& json, LlamaConfig c, const std::string& type,
                          bool axes) {
  json.expect_absent("quantization_config");
  c.vocabulary = json.integer("vocab_size", c.vocabulary, 1, kMaxDimension);
  c.hidden = json.integer("hidden_size", c.hidden, 1, kMaxDimension);
  c.intermediate = json.integer("intermediate_size", c.intermediate, 1, kMaxDimension);
  c.layers = json.integer("num_hidden_layers", c.layers, 0, 4096);
  c.heads = json.integer("num_attention_heads", c.heads, 1, kMaxDimension);
  // In transformers, an absent field is the default of Mistral and Qwen-VL, and null is
  // num_attention_heads.
  const bool shared = (type == "mistral" || axes) && !json.has("num_key_value_heads") &&
                      !(axes && json.is_null("num_key_value_heads"));
  c.key_value_heads =
      json.integer("num_key_value_heads", shared ? c.key_value_heads : c.heads, 1, kMaxDimension);
  const auto equal_share = std::max<int64_t>(1, c.hidden / c.heads);
  c.head_width =
      json.integer("head_dim", type == "qwen3" ? c.head_width : equal_share, 1, kMaxDimension);
  c.max_positions = json.integer("max_position_embeddings", c.max_positions, 2, kMaxDimension);
  c.activation = json.activation("hidden_act", "silu");
  c.eps = json.number("rms_norm_eps", c.eps, 0, 1);
  if (type == "llama" || type == "qwen3")
    c.qkv_bias = c.out_bias = json.boolean("attention_bias", false);
  if (type == "llama") c.mlp_bias = json.boolean("mlp_bias", false);
  c.tied = json.boolean("tie_word_embeddings", c.tied);
  if (c.hidden % c.heads != 0 && !json.has("head_dim") && type != "qwen3")
    json.refuse("hidden_size", fmt::format("multiples of num_attention_heads {}", c.heads));
  if (c.heads % c.key_value_heads != 0)
    json.refuse("num_key_value_heads", fmt::format("divisors of num_attention_heads {}", c.heads));
  if (c.head_width % 2 != 0)
    throw Error("models::config", fmt::format("the head size {} is odd", c.head_width),
                "rotary position embeddings require an even head size");
  c.rotary = rotary(json, c.head_width, c.max_positions, axes, c.rotary.theta);
  if (c.rotary.kind == Kind::linear || c.rotary.kind == Kind::dynamic)
    c.max_positions = static_cast<int64_t>(static_cast<double>(c.max_positions) *
                                           std::clamp(c.rotary.factor, 1.0, 1e6));
  if (has_sliding_window(json, type))
    c.max_positions =
        std::min(c.max_positions, json.integer("sliding_window", 4096, 2, kMaxDimension));
  return c;
}

}  // namespace

LlamaConfig LlamaConfig::parse(const JsonFields& json) {
  return parse_decoder(json, model_type_defaults(json), json.string("model_type").value_or("llama"),
                       /*axes=*/false);
}

LlamaConfig LlamaConfig::parse_qwen_vl(const JsonFields& json, const std::string& type) {
  const auto own = json.string("model_type").value_or(type);
  if (own != type && own != type + "_text")
    json.refuse("model_type", fmt::format("{} or {}_text", type, type));
  const bool third = type == "qwen3_vl";
  LlamaConfig c;
  c.vocabulary = third ? 151936 : 152064;
  c.hidden = third ? 4096 : 8192;
  c.intermediate = third ? 22016 : 29568;
  c.layers = third ? 32 : 80;
  c.heads = third ? 32 : 64;
  c.key_value_heads = third ? 32 : 8;
  c.max_positions = third ? 128000 : 32768;
  c.eps = third ? 1e-6 : 1e-5;
  c.rotary.theta = third ? 500000 : 1000000;
  c.qkv_bias = !third;
  c.qk_norm = third;
  c = parse_decoder(json, c, third ? "qwen3" : "qwen2", /*axes=*/true);
  read_sections(json, /*interleaved=*/third, c.rotary);
  return c;
}

std::string LlamaConfig::canonical() const {
  const auto& r = rotary;
  auto text = fmt::format(
      "llama;{};{};{};{};{};{};{};{};{};{};{};{};{}|{};{};{};{};{};{};{};{};{};{};{};{}",
      vocabulary, hidden, intermediate, layers, heads, key_value_heads, head_width, max_positions,
      qkv_bias, mlp_bias, tied, static_cast<int>(activation), eps, static_cast<int>(r.kind),
      r.theta, r.factor, r.trained, r.low_frequency, r.high_frequency, r.beta_fast, r.beta_slow,
      r.truncate, r.attention_factor, fmt::join(r.short_factors, ","),
      fmt::join(r.long_factors, ","));
  if (qkv_bias && !out_bias) text += ";no_out_bias";
  if (qk_norm) text += ";qk_norm";
  if (!r.sections.empty())
    text += fmt::format(";mrope {}{}", fmt::join(r.sections, ","), r.interleaved ? "i" : "");
  return text;
}

}  // namespace emend
