#pragma once

#include <memory>
#include <string>
#include <vector>

#include "editing/patches/patch.h"
#include "models/core/model.h"
#include "models/prompting/processor.h"

namespace emend {

// SERAC's counterfactual model: the base model with a low-rank change of its language module, which
// reads an edit in front of a question and answers as if the edit held.

// The rows that a pass was begun with. Throws emend::Error when part of them lies in a cache.
Batch rows_of(const Pass& pass);

// How an edit is told: its tokens go into a row behind the last image slot and the special tokens
// that a text begins with. Throws emend::Error when the pattern lacks {prompt} or {target}.
struct Told {
  std::vector<int64_t> tokens;
  std::vector<int64_t> begin;  // the special tokens

  static Told of(const Processor& processor, const std::string& pattern, const std::string& prompt,
                 const std::string& target);
  // Where they go.
  int64_t place_in(const Row& row) const;
};

// The changed weights as leaves: up (zero at first) and down of each site, of this rank.
class LowRankChange {
 public:
  LowRankChange(const std::vector<Site>& sites, int64_t rank, uint64_t seed, at::Device device);
  Interventions interventions() const { return on_weights(deltas_); }
  std::vector<std::pair<std::string, at::Tensor>> trained() const;

 private:
  std::vector<SiteDelta> deltas_;
};

// What the paper's reproduction puts between pictures and the counterfactual model: a linear layer
// of random weights and bias, uniform in +-1/sqrt(D), redrawn at every edit.
struct Projection {
  at::Tensor weight, bias;  // (D, D), (D)
  static Projection draw(int64_t width, uint64_t seed, at::Device device);
};

// A batch of questions, each behind its edit; stands before the language module.
struct CounterfactualPass {
  Pass pass;
  std::vector<int64_t> placed, length;  // by row: where the edit was put, and its length
  std::vector<int64_t> first;           // by row: index of the first real position

  // Where the row's position `offset` (counted over real ones, without the edit) now stands in the
  // flattened (R * T): the position that predicts what this one did.
  int64_t position(int64_t row, int64_t offset) const;
};
// `seen`: the bridge's output for the rows' pictures (undefined without any); `told` and
// `projections` (empty: none) by row.
CounterfactualPass counterfactual_pass(const Model& model, const std::vector<Row>& rows,
                                       const std::vector<const Told*>& told, const at::Tensor& seen,
                                       const std::vector<const Projection*>& projections,
                                       PadSide pad);

}  // namespace emend
