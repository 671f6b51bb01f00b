#pragma once

#include <string>
#include <vector>

#include "models/core/model.h"

namespace emend {

// The output projections of the feed-forward networks of all blocks of a module (fc2, down_proj,
// output_query.dense), in model order, for every architecture: the last layer of each block.
// projector, and a connector without blocks: all layers of the projector. The module may be named
// by an alias. Throws emend::Error if the model has no such layer.
std::vector<Site> ffn_outputs(const Model& model, const std::string& module);

// The sites that any of the patterns selects, in model order: module names (ffn_outputs) and globs
// (Model::find_sites). Throws emend::Error if a pattern selects none.
std::vector<Site> ffn_outputs_or_sites(const Model& model,
                                       const std::vector<std::string>& patterns);

}  // namespace emend
