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
    {"mlp.down_proj", "ffn_down"}};
const std::string kBlockPrefix = "model.layers.";

template <size_t N>
std::optional<std::string> renamed(const NamePair (&pairs)[N], const std::string& module) {
  for (const auto& [name, ours] : pairs)
    if (module == name) return ours;
  return std::nullopt;
}

}  // namespace

std::optional<std::string> gguf_llama_name(const std::string& name) {
  const auto dot = name.rfind('.');
  if (dot == std::string::npos) return std::nullopt;
  const auto module = name.substr(0, dot), kind = name.substr(dot);
  if (kind != ".weight" && kind != ".bias") return std::nullopt;
  if (!module.starts_with(kBlockPrefix)) {
    const auto found = renamed(kOutsideBlocks, module);
    return found ? std::optional(*found + kind) : std::nullopt;
  }
  const auto end = module.find('.', kBlockPrefix.size());
  if (end == std::string::npos) return std::nullopt;
  const auto block = module.substr(kBlockPrefix.size(), end - kBlockPrefix.size());
  const auto found = renamed(kInBlocks, module.substr(end + 1));
  const bool numbered = !block.empty() && std::all_of(block.begin(), block.end(), [](char c) {
    return std::isdigit(static_cast<unsigned char>(c));
  });
  if (!found || !numbered) return std::nullopt;
  return "blk." + block + "." + *found + kind;
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
