#pragma once

#include <vector>

#include "editing/patches/patch.h"
#include "editing/training/forced.h"
#include "models/core/model.h"

namespace emend {

// What a hyper-network reads of an edit at one linear layer: for each token the layer's input, and
// the gradient of the edit's loss at the layer's output. Their outer products, summed over tokens,
// are the weight's gradient. R: the rows of the part that runs (pictures in vision and bridge, rows
// of the batch in the language model). Detached, float32.
struct Factors {
  at::Tensor input;     // (R, T, in): u
  at::Tensor gradient;  // (R, T, out): v
};

struct EditFactors {
  std::vector<Factors> sites;
  at::Tensor losses;  // (B) float32: each edit's mean nll a token
  double loss = 0;    // their mean
};

// One forward and one backward pass from `prefix` (which stands at or before the first of the
// sites); the loss is the sum over rows of a row's mean nll of its answer's tokens, so that a row's
// factors do not depend on its neighbours. Sites that no answer depends on have undefined factors.
// `base`: edits that stay applied.
EditFactors edit_factors(const Model& model, const Pass& prefix, const ForcedBatch& forced,
                         const std::vector<Site>& sites, const Interventions& base);

// Low-rank weight deltas of several edits at one site, each edit's own:
// delta of edit e = up[e]^T down[e]. They may require grad.
struct EditDeltas {
  std::string site;
  at::Tensor up;    // (E, n, out)
  at::Tensor down;  // (E, n, in)
};

// One patch's change: the edits' deltas one after another, without the tokens that add nothing.
SiteDelta joined(const EditDeltas& deltas);

// Which edit a row of a batch, and a picture of it, belongs to.
struct EditOf {
  at::Tensor row;      // (B) int64
  at::Tensor picture;  // (N) int64; undefined without pictures
};

// Applies to every row the deltas of its edit.
Interventions attach(const Model& model, const std::vector<EditDeltas>& deltas,
                     const EditOf& edit_of);

}  // namespace emend
