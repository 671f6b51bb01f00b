#include "exports/gguf/gguf_names.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace emend {
namespace {

using NamePair = std::pair<const char*, const char*>;

constexpr NamePair kOutsideBlocks[] = {
    {"model.embed_tokens", "token_embd"}, {"model.norm", "output_norm"}, {"lm_head", "output"}};
constexpr NamePair kInBlocks[] = {
    {"input_layernorm", "attn_norm"},    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},      {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"}, {"post_attention_layernorm", "ffn_norm"},
    {"mlp.gate_proj", "ffn_gate"},       {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},       {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"}};
const std::string kBlockPrefix = "model.layers.";

constexpr NamePair kOutsideClipBlocks[] = {
    {"vision_tower.vision_model.embeddings.class_embedding", "v.class_embd"},
    {"vision_tower.vision_model.embeddings.patch_embedding.weight", "v.patch_embd.weight"},
    {"vision_tower.vision_model.embeddings.position_embedding.weight", "v.position_embd.weight"},
    {"vision_tower.vision_model.pre_layrnorm.weight", "v.pre_ln.weight"},
    {"vision_tower.vision_model.pre_layrnorm.bias", "v.pre_ln.bias"},
    {"multi_modal_projector.linear_1.weight", "mm.0.weight"},
    {"multi_modal_projector.linear_1.bias", "mm.0.bias"},
    {"multi_modal_projector.linear_2.weight", "mm.2.weight"},
    {"multi_modal_projector.linear_2.bias", "mm.2.bias"},
    {"model.vision_model.embeddings.patch_embedding.weight", "v.patch_embd.weight"},
    {"model.vision_model.embeddings.patch_embedding.bias", "v.patch_embd.bias"},
    {"model.vision_model.embeddings.position_embedding.weight", "v.position_embd.weight"},
    {"model.vision_model.post_layernorm.weight", "v.post_ln.weight"},
    {"model.vision_model.post_layernorm.bias", "v.post_ln.bias"},
    {"model.connector.modality_projection.proj.weight", "mm.model.fc.weight"}};
constexpr NamePair kInClipBlocks[] = {
    {"layer_norm1", "ln1"},         {"layer_norm2", "ln2"},
    {"self_attn.q_proj", "attn_q"}, {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"}, {"self_attn.out_proj", "attn_out"},
    {"mlp.fc1", "ffn_up"},          {"mlp.fc2", "ffn_down"}};
const std::string kClipBlockPrefixes[] = {"vision_tower.vision_model.encoder.layers.",
                                          "model.vision_model.encoder.layers."};

template <size_t N>
std::optional<std::string> renamed(const NamePair (&pairs)[N], const std::string& module) {
  for (const auto& [name, ours] : pairs)
    if (module == name) return ours;
  return std::nullopt;
}

// "PREFIX12.MODULE.weight" -> "12.OURS.weight".
template <size_t N>
std::optional<std::string> name_in_block(const NamePair (&pairs)[N], const std::string& prefix,
                                         const std::string& name) {
  const auto first = name.find('.', prefix.size()), last = name.rfind('.');
  if (first == std::string::npos || last <= first) return std::nullopt;
  const auto block = name.substr(prefix.size(), first - prefix.size()), kind = name.substr(last);
  const auto found = renamed(pairs, name.substr(first + 1, last - first - 1));
  const bool numbered = !block.empty() && std::all_of(block.begin(), block.end(), [](char c) {
    return std::isdigit(static_cast<unsigned char>(c));
  });
  if (!found || !numbered || (kind != ".weight" && kind != ".bias")) return std::nullopt;
  return block + "." + *found + kind;
}

}  // namespace

std::optional<std::string> gguf_llama_name(const std::string& name) {
  if (name.starts_with(kBlockPrefix)) {
    const auto found = name_in_block(kInBlocks, kBlockPrefix, name);
    return found ? std::optional("blk." + *found) : std::nullopt;
  }
  if (!name.ends_with(".weight")) return std::nullopt;
  const auto found = renamed(kOutsideBlocks, name.substr(0, name.size() - 7));
  return found ? std::optional(*found + ".weight") : std::nullopt;
}

std::optional<std::string> gguf_clip_name(const std::string& name) {
  for (const auto& prefix : kClipBlockPrefixes) {
    if (!name.starts_with(prefix)) continue;
    const auto found = name_in_block(kInClipBlocks, prefix, name);
    return found ? std::optional("v.blk." + *found) : std::nullopt;
  }
  return renamed(kOutsideClipBlocks, name);
}

at::Tensor neighboring_rotary_rows(const at::Tensor& rows, int64_t heads) {
  auto halves = rows.sizes().vec();
  halves[0] = rows.size(0) / heads / 2;
  halves.insert(halves.begin(), {heads, 2});
  return rows.reshape(halves).transpose(1, 2).reshape(rows.sizes()).contiguous();
}

bool is_rotary_query(const std::string& name) {
  return name.find(".self_attn.q_proj") != std::string::npos;
}
bool is_rotary_key(const std::string& name) {
  return name.find(".self_attn.k_proj") != std::string::npos;
}

}  // namespace emend
