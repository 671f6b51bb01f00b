#pragma once

#include <string>
#include <vector>

#include "models/core/pass.h"
#include "nn/attachment.h"

namespace emend {

class Model;

// Where an intervention attaches to a running model; nowhere else.
enum class Point {
  request,   // rewrites the rows before the pass begins
  input,     // a site's input
  weight,    // a site's weight
  output,    // a site's output
  boundary,  // the residual stream after a stage
  logits,    // what the head returns
};

struct Intervention {
  Point point;
  std::string where;    // a site (`language_model.model.decoder.layers.3.fc1`) or, for a boundary,
                        // a stage (`language.block.3`); empty for request and logits
  WeightDelta delta;    // weight
  Transform transform;  // input, output, boundary, logits
  std::function<Batch(const Batch&)> rewrite;  // request
  std::vector<bool> rows;  // scope: the rows of the batch it acts on; empty: all. In the vision and
                           // bridge stages an image is in scope when the rows that use it are.
                           // Vision stages see one image at a time: a transform gets (1, P, D)
  // logits, instead of a transform: sees the pass besides, so that another model can answer for
  // some rows. (B, T, V), or (K, V) where pass.wanted is set; what it returns has that shape.
  std::function<at::Tensor(const Pass& pass, const at::Tensor& logits)> mix = {};
};

using Interventions = std::vector<Intervention>;

// First stage that any of them changes; model.stages().size() when none does. Request: 0.
size_t first_changed_stage(const Model& model, const Interventions& interventions);

// The batch that the model is to see. A rewrite keeps the number of rows; one with a scope keeps
// the images of the rows out of it where they are (it may append others). Row::asked is counted
// anew: the answer that was fed in stays at a row's end.
Batch apply_requests(const Batch& batch, const Interventions& interventions);

}  // namespace emend
