#include "exports/gguf/gguf_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "exports/gguf/gguf_names.h"
#include "io/error.h"
#include "io/image/processor.h"
#include "models/config/json_fields.h"
#include "nn/rotary.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

constexpr const char* kGgufSourcePlace = "exports::gguf_source";

[[noreturn]] void refuse_setting(const std::string& setting) {
  throw Error(kGgufSourcePlace, fmt::format("llama.cpp cannot run this model: {}", setting),
              "use --to hf");
}

// Whether it is LLaVA. Throws emend::Error for other architectures than LLaVA and Llama.
bool is_llava(const JsonFields& fields) {
  const auto type = fields.string("model_type").value_or("");
  const auto name = fields.first_string("architectures").value_or(type);
  if (name == "LlavaForConditionalGeneration" || name == "llava") return true;
  if (name == "LlamaForCausalLM" || name == "llama") return false;
  if (type == "blip-2" || type == "minigpt4")
    throw Error(kGgufSourcePlace, fmt::format("llama.cpp does not run {}", name),
                "use --to hf, or serve the patch with `emend serve`");
  throw Error(kGgufSourcePlace,
              fmt::format("GGUF files of {} are not implemented; implemented: LlamaForCausalLM, "
                          "LlavaForConditionalGeneration",
                          name),
              "use --to hf, and convert the folder with llama.cpp's script");
}

void check_language(const LlamaConfig& config) {
  if (config.activation != Activation::silu) refuse_setting("its hidden_act is not silu");
  if (config.qk_norm) refuse_setting("its decoder has norms of queries and keys");
  using Kind = RotaryConfig::Kind;
  const auto kind = config.rotary.kind;
  if (kind != Kind::plain && kind != Kind::linear && kind != Kind::llama3)
    throw Error(kGgufSourcePlace,
                "GGUF files with rotary embeddings of the types dynamic, yarn and longrope are not "
                "implemented",
                "use --to hf, and convert the folder with llama.cpp's script");
}

void check_vision(const LlavaConfig& config) {
  const auto& layers = config.feature_layers;
  if (config.first_position) refuse_setting("its vision_feature_select_strategy is not default");
  if (config.vision.siglip) refuse_setting("its vision tower is not CLIP");
  if (!std::is_sorted(layers.begin(), layers.end(), std::less_equal<>()))
    refuse_setting("its vision_feature_layer is not in increasing order");
  if (!config.projector_bias) refuse_setting("its projector has no bias");
  if (config.projector_activation != Activation::gelu)
    refuse_setting("its projector_hidden_act is not gelu");
  if (config.vision.activation != Activation::quick_gelu &&
      config.vision.activation != Activation::gelu)
    refuse_setting("the hidden_act of its vision tower is neither gelu nor quick_gelu");
}

uint32_t gguf_number(int64_t value) { return static_cast<uint32_t>(value); }

}  // namespace

uint32_t gguf_file_type(GgufType type) {
  switch (type) {
    case GgufType::f16:
      return 1;
    case GgufType::q8_0:
      return 7;
    case GgufType::bf16:
      return 32;
    case GgufType::f32:
      break;
  }
  return 0;
}

GgufSource::GgufSource(const std::string& from)
    : folder(from), json(read_json_object((fs::path(from) / "config.json").string())) {
  const JsonFields fields("config.json", json);
  if (is_llava(fields)) {
    llava = LlavaConfig::parse(json);
    language = llava->text;
    prefix = "language_model.";
    check_vision(*llava);
  } else {
    language = LlamaConfig::parse(fields);
  }
  check_language(language);
  context = (llava ? fields.object("text_config") : fields)
                .integer("max_position_embeddings", language.max_positions, 2, kMaxDimension);
}

std::string GgufSource::base_name() const {
  auto path = fs::weakly_canonical(folder);
  if (path.filename().empty()) path = path.parent_path();
  return path.filename().string();
}

GgufMetadata GgufSource::language_metadata(GgufType type) const {
  const auto& c = language;
  GgufMetadata metadata = {{"general.architecture", "llama"},
                           {"general.type", "model"},
                           {"general.name", base_name()},
                           {"general.file_type", gguf_file_type(type)},
                           {"general.quantization_version", uint32_t{2}},
                           {"llama.vocab_size", gguf_number(c.vocabulary)},
                           {"llama.context_length", gguf_number(context)},
                           {"llama.embedding_length", gguf_number(c.hidden)},
                           {"llama.block_count", gguf_number(c.layers)},
                           {"llama.feed_forward_length", gguf_number(c.intermediate)},
                           {"llama.attention.head_count", gguf_number(c.heads)},
                           {"llama.attention.head_count_kv", gguf_number(c.key_value_heads)},
                           {"llama.attention.key_length", gguf_number(c.head_width)},
                           {"llama.attention.value_length", gguf_number(c.head_width)},
                           {"llama.attention.layer_norm_rms_epsilon", static_cast<float>(c.eps)},
                           {"llama.rope.dimension_count", gguf_number(c.head_width)},
                           {"llama.rope.freq_base", static_cast<float>(c.rotary.theta)}};
  if (c.rotary.kind == RotaryConfig::Kind::linear) {
    metadata.emplace_back("llama.rope.scaling.type", "linear");
    metadata.emplace_back("llama.rope.scaling.factor", static_cast<float>(c.rotary.factor));
  }
  return metadata;
}

GgufMetadata GgufSource::projector_metadata(GgufType type) const {
  const auto& vision = llava->vision;
  const auto processor =
      ImageProcessor::load((fs::path(folder) / "preprocessor_config.json").string());
  const auto floats = [](const std::array<double, 3>& values) {
    return std::vector<float>(values.begin(), values.end());
  };
  return {{"general.architecture", "clip"},
          {"general.type", "mmproj"},
          {"general.name", base_name()},
          {"general.file_type", gguf_file_type(type)},
          {"general.quantization_version", uint32_t{2}},
          {"clip.has_vision_encoder", true},
          {"clip.has_llava_projector", true},
          {"clip.projector_type", "mlp"},
          {"clip.use_gelu", vision.activation == Activation::gelu},
          {"clip.vision.image_size", gguf_number(vision.image_size)},
          {"clip.vision.patch_size", gguf_number(vision.patch_size)},
          {"clip.vision.embedding_length", gguf_number(vision.hidden)},
          {"clip.vision.feed_forward_length", gguf_number(vision.intermediate)},
          {"clip.vision.projection_dim", gguf_number(language.hidden)},
          {"clip.vision.block_count", gguf_number(llava->vision_blocks())},
          {"clip.vision.feature_layer",
           std::vector<int32_t>(llava->feature_layers.begin(), llava->feature_layers.end())},
          {"clip.vision.attention.head_count", gguf_number(vision.heads)},
          {"clip.vision.attention.layer_norm_epsilon", static_cast<float>(vision.eps)},
          {"clip.vision.image_mean", floats(processor.mean)},
          {"clip.vision.image_std", floats(processor.std)}};
}

std::optional<at::Tensor> GgufSource::frequency_divisors() const {
  if (language.rotary.kind != RotaryConfig::Kind::llama3) return std::nullopt;
  auto plain = language.rotary;
  plain.kind = RotaryConfig::Kind::plain;
  return Rotary(plain).frequencies(1) / Rotary(language.rotary).frequencies(1);
}

std::optional<std::string> GgufSource::language_name(const std::string& name) const {
  if (!name.starts_with(prefix)) return std::nullopt;
  return name.substr(prefix.size());
}

at::Tensor GgufSource::in_llama_cpp_order(const std::string& name, const at::Tensor& rows) const {
  if (is_rotary_query(name)) return neighboring_rotary_rows(rows, language.heads);
  if (is_rotary_key(name)) return neighboring_rotary_rows(rows, language.key_value_heads);
  return rows;
}

}  // namespace emend
