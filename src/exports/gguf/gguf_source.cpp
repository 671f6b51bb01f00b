#include "exports/gguf/gguf_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "exports/folder_name.h"
#include "exports/gguf/gguf_names.h"
#include "io/error.h"
#include "models/config/json_fields.h"
#include "models/prompting/processor.h"
#include "nn/rotary.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

constexpr const char* kGgufSourcePlace = "exports::gguf_source";

[[noreturn]] void refuse_setting(const std::string& setting) {
  throw Error(kGgufSourcePlace, fmt::format("llama.cpp cannot run this model: {}", setting),
              "use --to hf");
}

enum class GgufFamily { decoder, llava, smolvlm };

// Throws emend::Error for architectures that llama.cpp or these exports do not support.
GgufFamily family_in_llama_cpp(const JsonFields& fields) {
  static const std::map<std::string, GgufFamily> families = {
      {"LlamaForCausalLM", GgufFamily::decoder},
      {"llama", GgufFamily::decoder},
      {"MistralForCausalLM", GgufFamily::decoder},
      {"mistral", GgufFamily::decoder},
      {"Qwen2ForCausalLM", GgufFamily::decoder},
      {"qwen2", GgufFamily::decoder},
      {"Qwen3ForCausalLM", GgufFamily::decoder},
      {"qwen3", GgufFamily::decoder},
      {"LlavaForConditionalGeneration", GgufFamily::llava},
      {"llava", GgufFamily::llava},
      {"SmolVLMForConditionalGeneration", GgufFamily::smolvlm},
      {"smolvlm", GgufFamily::smolvlm},
      {"Idefics3ForConditionalGeneration", GgufFamily::smolvlm},
      {"idefics3", GgufFamily::smolvlm}};
  const auto type = fields.string("model_type").value_or("");
  const auto name = fields.first_string("architectures").value_or(type);
  if (const auto found = families.find(name); found != families.end()) return found->second;
  if (type == "blip-2" || type == "minigpt4")
    throw Error(kGgufSourcePlace, fmt::format("llama.cpp does not run {}", name),
                "use --to hf, or serve the patch with `emend serve`");
  throw Error(kGgufSourcePlace,
              fmt::format("GGUF files of {} are not implemented; implemented: LlamaForCausalLM, "
                          "MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM, "
                          "LlavaForConditionalGeneration, SmolVLMForConditionalGeneration, "
                          "Idefics3ForConditionalGeneration",
                          name),
              "use --to hf, and convert the folder with llama.cpp's script");
}

// llama.cpp's name of a decoder, by the model_type of its configuration.
std::string decoder_in_llama_cpp(const JsonFields& config) {
  const auto type = config.string("model_type").value_or("llama");
  return type == "qwen2" || type == "qwen3" ? type : "llama";
}

void check_language(const LlamaConfig& config, const std::string& architecture) {
  if (config.activation != Activation::silu) refuse_setting("its hidden_act is not silu");
  using Kind = RotaryConfig::Kind;
  const auto kind = config.rotary.kind;
  if (kind == Kind::llama3 && architecture != "llama")
    refuse_setting(
        fmt::format("its rotary embeddings have the type llama3, but it is a {}", architecture));
  if (kind != Kind::plain && kind != Kind::linear && kind != Kind::llama3)
    throw Error(kGgufSourcePlace,
                "GGUF files with rotary embeddings of the types dynamic, yarn and longrope are not "
                "implemented",
                "use --to hf, and convert the folder with llama.cpp's script");
}

void check_llava(const LlavaConfig& config) {
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

void check_smolvlm(const SmolVlmConfig& config) {
  if (config.vision.activation != Activation::gelu &&
      config.vision.activation != Activation::gelu_tanh)
    refuse_setting("the hidden_act of its vision tower is neither gelu nor gelu_pytorch_tanh");
}

const std::string kLlavaBlock = "vision_tower.vision_model.encoder.layers.";

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
  switch (family_in_llama_cpp(fields)) {
    case GgufFamily::llava:
      llava = LlavaConfig::parse(json);
      language = llava->text;
      check_llava(*llava);
      break;
    case GgufFamily::smolvlm:
      smolvlm = SmolVlmConfig::parse(json);
      language = smolvlm->text;
      check_smolvlm(*smolvlm);
      break;
    case GgufFamily::decoder:
      language = LlamaConfig::parse(fields);
  }
  const auto decoder = has_vision() ? fields.object("text_config") : fields;
  architecture = decoder_in_llama_cpp(decoder);
  check_language(language, architecture);
  if (has_vision())
    processor = ImageProcessor::load(image_processor_file(folder));
  context = decoder.integer("max_position_embeddings", language.max_positions, 2, kMaxDimension);
}

GgufMetadata GgufSource::language_metadata(GgufType type) const {
  const auto& c = language;
  GgufMetadata metadata = {{"general.architecture", architecture},
                           {"general.type", "model"},
                           {"general.name", folder_name(folder)},
                           {"general.file_type", gguf_file_type(type)},
                           {"general.quantization_version", uint32_t{2}}};
  const auto add = [&](const std::string& key, auto value) {
    metadata.emplace_back(architecture + "." + key, value);
  };
  add("vocab_size", gguf_number(c.vocabulary));
  add("context_length", gguf_number(context));
  add("embedding_length", gguf_number(c.hidden));
  add("block_count", gguf_number(c.layers));
  add("feed_forward_length", gguf_number(c.intermediate));
  add("attention.head_count", gguf_number(c.heads));
  add("attention.head_count_kv", gguf_number(c.key_value_heads));
  add("attention.key_length", gguf_number(c.head_width));
  add("attention.value_length", gguf_number(c.head_width));
  add("attention.layer_norm_rms_epsilon", static_cast<float>(c.eps));
  add("rope.dimension_count", gguf_number(c.head_width));
  add("rope.freq_base", static_cast<float>(c.rotary.theta));
  if (c.rotary.kind == RotaryConfig::Kind::linear) {
    add("rope.scaling.type", "linear");
    add("rope.scaling.factor", static_cast<float>(c.rotary.factor));
  }
  return metadata;
}

GgufMetadata GgufSource::projector_metadata(GgufType type) const {
  const VisionTransformerConfig& vision =
      llava ? static_cast<const VisionTransformerConfig&>(llava->vision) : smolvlm->vision;
  const auto floats = [](const std::array<double, 3>& values) {
    return std::vector<float>(values.begin(), values.end());
  };
  GgufMetadata metadata = {
      {"general.architecture", "clip"},
      {"general.type", "mmproj"},
      {"general.name", folder_name(folder)},
      {"general.file_type", gguf_file_type(type)},
      {"general.quantization_version", uint32_t{2}},
      {"clip.has_vision_encoder", true},
      {"clip.projector_type", llava ? "mlp" : "idefics3"},
      {"clip.use_gelu", vision.activation != Activation::quick_gelu},
      {"clip.vision.image_size", gguf_number(vision.image_size)},
      {"clip.vision.patch_size", gguf_number(vision.patch_size)},
      {"clip.vision.embedding_length", gguf_number(vision.hidden)},
      {"clip.vision.feed_forward_length", gguf_number(vision.intermediate)},
      {"clip.vision.projection_dim", gguf_number(language.hidden)},
      {"clip.vision.block_count", gguf_number(llava ? llava->vision_blocks() : vision.layers)},
      {"clip.vision.attention.head_count", gguf_number(vision.heads)},
      {"clip.vision.attention.layer_norm_epsilon", static_cast<float>(vision.eps)},
      {"clip.vision.image_mean", floats(processor->mean)},
      {"clip.vision.image_std", floats(processor->std)}};
  if (llava) {
    metadata.emplace_back("clip.has_llava_projector", true);
    metadata.emplace_back(
        "clip.vision.feature_layer",
        std::vector<int32_t>(llava->feature_layers.begin(), llava->feature_layers.end()));
  } else {
    metadata.emplace_back("clip.vision.projector.scale_factor", gguf_number(smolvlm->scale));
    // llama.cpp resizes the longer side to this, and divides the picture into tiles.
    metadata.emplace_back("clip.vision.preproc_image_size", gguf_number(processor->longest_edge));
  }
  return metadata;
}

std::optional<at::Tensor> GgufSource::frequency_divisors() const {
  if (language.rotary.kind != RotaryConfig::Kind::llama3) return std::nullopt;
  auto plain = language.rotary;
  plain.kind = RotaryConfig::Kind::plain;
  return Rotary(plain).frequencies(1) / Rotary(language.rotary).frequencies(1);
}

std::string GgufSource::output_layer() const {
  return llava ? "language_model.lm_head" : "lm_head";
}

std::optional<std::string> GgufSource::language_name(const std::string& name) const {
  if (!has_vision() || (smolvlm && name.starts_with(output_layer()))) return name;
  const std::string prefix = llava ? "language_model." : "model.text_model.";
  if (!name.starts_with(prefix)) return std::nullopt;
  return (llava ? "" : "model.") + name.substr(prefix.size());
}

bool GgufSource::is_unused(const std::string& name) const {
  if (name.ends_with(".rotary_emb.inv_freq") || name.ends_with(".position_ids")) return true;
  if (!llava) return false;
  if (name.starts_with("vision_tower.vision_model.post_layernorm.")) return true;
  return name.starts_with(kLlavaBlock) &&
         std::atoll(name.c_str() + kLlavaBlock.size()) >= llava->vision_blocks();
}

at::Tensor GgufSource::in_llama_cpp_order(const std::string& name, const at::Tensor& rows) const {
  if (architecture != "llama") return rows;
  if (is_rotary_query(name)) return neighboring_rotary_rows(rows, language.heads);
  if (is_rotary_key(name)) return neighboring_rotary_rows(rows, language.key_value_heads);
  return rows;
}

}  // namespace emend
