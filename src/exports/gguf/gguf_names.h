#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <string>

namespace emend {

// The name in llama.cpp of a tensor of LlamaForCausalLM: "model.layers.3.self_attn.q_proj.weight"
// -> "blk.3.attn_q.weight". Nullopt if llama.cpp has no such tensor.
std::optional<std::string> gguf_llama_name(const std::string& name);

// The name in llama.cpp of a tensor of the vision tower or projector of LLaVA or SmolVLM, in
// emend's names: "vision_tower.vision_model.encoder.layers.3.mlp.fc1.weight" ->
// "v.blk.3.ffn_up.weight". Nullopt if llama.cpp has no such tensor.
std::optional<std::string> gguf_clip_name(const std::string& name);

// In decoders of the architecture `llama`, llama.cpp rotates pairs of neighboring rows of a head,
// transformers the two halves of a head.
// Reorders the rows of q_proj and k_proj (a weight, a bias, or the factor B of an adapter), so that
// row i of the first half is followed by row i of the second half. `heads`: those of the layer's
// output.
at::Tensor neighboring_rotary_rows(const at::Tensor& rows, int64_t heads);

// The layers that need it.
bool is_rotary_query(const std::string& name);  // q_proj
bool is_rotary_key(const std::string& name);    // k_proj

}  // namespace emend
