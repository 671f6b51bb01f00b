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

// One change of a running model, made by the function of its point:
//
//   const auto zero = [](const at::Tensor& x) { return x * 0; };
//   const auto zeroed = Intervention::boundary("language.block.3", zero);
//   const std::string site = "language_model.model.decoder.layers.3.fc1";
//   const auto edited = Intervention::weight(site, {delta, {}, {}});  // {dense, up, down}
//   generate(vlm, {query}, {zeroed, edited.on_rows({true})});
struct Intervention {
  using Rewrite = std::function<Batch(const Batch&)>;
  using Mix = std::function<at::Tensor(const Pass& pass, const at::Tensor& output)>;
  using LayerMix = std::function<at::Tensor(const Pass& pass, const at::Tensor& input,
                                            const at::Tensor& output)>;

  // Rewrites the rows before the pass begins.
  static Intervention request(Rewrite rewrite);
  // At a site (`language_model.model.decoder.layers.3.fc1`): its weight, its input or its output.
  static Intervention weight(std::string site, WeightDelta delta);
  static Intervention input(std::string site, Transform transform);
  static Intervention output(std::string site, Transform transform);
  // The output of a site, computed from its input and output. The function also sees the pass,
  // which says where the prompt of each row ends.
  static Intervention layer(std::string site, LayerMix mix);
  // The residual stream after a stage (`language.block.3`). Vision stages run one image at a time:
  // their transforms get (1, P, D).
  // A mix also sees the pass, which says where the prompt of each row ends.
  static Intervention boundary(std::string stage, Transform transform);
  static Intervention boundary_mix(std::string stage, Mix mix);
  // The output of the head: (B, T, V), or (K, V) if pass.logit_positions is set. The result has
  // the same shape. A mix also sees the pass, so that another model can answer for some rows.
  static Intervention logits(Transform transform);
  static Intervention logits_mix(Mix mix);

  // The same intervention on these rows of the batch only. An image is in scope when the rows that
  // use it are.
  Intervention on_rows(std::vector<bool> scope) const;

  Point point;
  std::string where;            // a site, or a stage for a boundary; empty for request and logits
  WeightDelta delta = {};       // weight
  Transform transform = {};     // input, output, boundary, logits
  Rewrite rewrite = {};         // request
  std::vector<bool> rows = {};  // scope; empty: all rows
  Mix mix = {};                 // boundary, logits, instead of a transform
  LayerMix layer_mix = {};      // output, instead of a transform
};
using Interventions = std::vector<Intervention>;

// The first stage that any intervention changes: 0 for a request, model.stages().size() if there
// are none.
size_t first_changed_stage(const Model& model, const Interventions& interventions);

// Applies the request interventions to a batch. A rewrite keeps the number of rows. A rewrite with
// a scope keeps the images of the other rows at their indices, and may append images.
// Row::prompt_length is updated: the teacher-forced answer stays at the end of a row.
Batch apply_requests(const Batch& batch, const Interventions& interventions);

}  // namespace emend
