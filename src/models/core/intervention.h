#pragma once

#include <string>
#include <vector>

#include "models/core/pass.h"
#include "nn/attachment.h"

namespace emend {

class Model;

// The points at which an intervention can attach to a running model.
enum class Point {
  request,   // changes the rows before the pass starts
  input,     // the input of a site
  weight,    // the weight of a site
  output,    // the output of a site
  boundary,  // the residual stream after a stage
  logits,    // the output of the head
};

struct Intervention {
  Point point;
  // A site (`language_model.model.decoder.layers.3.fc1`) or, for a boundary, a stage
  // (`language.block.3`); empty for request and logits.
  std::string where;
  WeightDelta delta;                           // for weight
  Transform transform;                         // for input, output, boundary, logits
  std::function<Batch(const Batch&)> rewrite;  // for request
  // The scope: the rows of the batch that it acts on; empty: all. In vision and bridge stages, an
  // image is in scope if the rows that use it are. Vision stages process one image at a time: a
  // transform gets (1, P, D).
  std::vector<bool> rows;
  // For logits, instead of a transform: also gets the pass, so that another model can answer some
  // rows. logits: (B, T, V), or (K, V) if pass.wanted is set; the result has the same shape.
  std::function<at::Tensor(const Pass& pass, const at::Tensor& logits)> mix = {};
};

using Interventions = std::vector<Intervention>;

// The first stage that any intervention changes: 0 for a request, model.stages().size() if there
// are none.
size_t first_changed_stage(const Model& model, const Interventions& interventions);

// Applies the request interventions to a batch. A rewrite keeps the number of rows. A rewrite with
// a scope keeps the images of the other rows at their indices, and may append images. Row::asked is
// updated: the teacher-forced answer stays at the end of a row.
Batch apply_requests(const Batch& batch, const Interventions& interventions);

}  // namespace emend
