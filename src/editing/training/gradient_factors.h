#pragma once

#include <vector>

#include "editing/patches/patch.h"
#include "editing/training/forced.h"
#include "models/core/model.h"

namespace emend {

// The factors of an edit's gradient at one linear layer, which hyper-networks transform: for each
// token, the input of the layer and the gradient of the loss at its output. The weight gradient is
// the sum over tokens of their outer products. R is the number of rows of the module that runs:
// pictures in the vision tower and the connector, rows of the batch in the language model.
// Detached, float32.
struct GradientFactors {
  at::Tensor input;     // (R, T, in): u
  at::Tensor gradient;  // (R, T, out): v
};

// The gradients and losses of a batch of edits.
struct EditFactors {
  std::vector<GradientFactors> sites;
  at::Tensor losses;  // (B) float32: mean nll per token of each edit
  double loss = 0;    // the mean of `losses`
};

// Runs one forward and one backward pass from `prefix`, which must be at or before the first site.
// The loss is the sum over rows of the mean nll of a row's answer tokens, so that the factors of a
// row do not depend on the other rows. Sites without influence on an answer have undefined factors.
// `base` has edits that stay applied.
EditFactors edit_factors(const Model& model, const Pass& prefix, const ForcedBatch& forced,
                         const std::vector<Site>& sites, const Interventions& base);

// Low-rank weight deltas of several edits at one site. The delta of edit e is up[e]^T down[e]. They
// may require gradients.
struct EditDeltas {
  std::string site;
  at::Tensor up;    // (E, n, out)
  at::Tensor down;  // (E, n, in)
};

// Concatenates the deltas of all edits to the change of one patch, without tokens that are zero.
SiteDelta joined(const EditDeltas& deltas);

// The edit of each row of a batch, and of each picture.
struct EditIndex {
  at::Tensor row;      // (B) int64
  at::Tensor picture;  // (N) int64; undefined without pictures
};

// Applies to every row the deltas of its edit.
Interventions attach(const Model& model, const std::vector<EditDeltas>& deltas,
                     const EditIndex& edit_index);

}  // namespace emend
