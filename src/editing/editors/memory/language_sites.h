#pragma once

#include <string>
#include <vector>

#include "models/core/model.h"

namespace emend {

// The stages, sites and sizes that editors with a memory read.

// The layers that a counterfactual model changes: those of the glob, or all linear layers of the
// language module's blocks if it is empty.
std::vector<Site> counterfactual_sites(const Model& model, const std::string& pattern);
// The stage of the language module after which a text's hidden states are taken: after `blocks`
// blocks, or after half of them if it is 0. Throws emend::Error if there are fewer blocks.
size_t text_stage(const Model& model, int64_t blocks);
// The width of the residual stream. Throws emend::Error if the language module has no blocks.
int64_t text_width(const Model& model);
// D, the feature size of get_image_features; 0 without a vision module.
int64_t connector_width(const Model& model);

}  // namespace emend
