#pragma once

#include <string>
#include <vector>

#include "models/core/model.h"

namespace emend {

// The feed-forward layers of all blocks of a module (fc1, fc2; gate_proj, up_proj, down_proj;
// intermediate_query.dense, output_query.dense), in model order. Both functions are for
// sites=traced, where a trace selects the block, and throw emend::Error if the module has no
// blocks.
std::vector<Site> block_ffn_sites(const Model& model, const std::string& module);

// Query and value of the attention layers of all blocks of a module; a layer that has query, key
// and value in one matrix as a whole.
std::vector<Site> block_attention_sites(const Model& model, const std::string& module);

}  // namespace emend
