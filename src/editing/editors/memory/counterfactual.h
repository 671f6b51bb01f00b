#pragma once

#include <memory>
#include <string>
#include <vector>

#include "editing/patches/patch.h"
#include "models/core/model.h"
#include "models/prompting/processor.h"

namespace emend {

// The counterfactual model of SERAC: the base model with a low-rank change of its language module.
// It reads an edit before the question, and answers as if the edit were true.

// Recovers the rows of a pass. Throws emend::Error if part of the rows is in a KV cache.
Batch rows_of(const Pass& pass);

// The edit as text in front of a question. Throws emend::Error if the template lacks {prompt} or
// {target}.
std::string filled_edit_prefix(const std::string& pattern, const std::string& prompt,
                               const std::string& target);

// The tokens of an edit that are inserted into a row, after its last image token and the special
// tokens at the start of its text. Throws emend::Error if the template lacks {prompt} or {target}.
struct EditPrefix {
  std::vector<int64_t> tokens;
  std::vector<int64_t> begin;  // the special tokens at the start

  static EditPrefix of(const Processor& processor, const std::string& pattern,
                       const std::string& prompt, const std::string& target);
  // The index in the row at which the tokens are inserted.
  int64_t place_in(const Row& row) const;
};

// A low-rank change as trainable tensors: `up` (initialized to 0) and `down` of each site.
class LowRankChange {
 public:
  LowRankChange(const std::vector<Site>& sites, int64_t rank, uint64_t seed, at::Device device);
  Interventions interventions() const { return on_weights(deltas_); }
  std::vector<std::pair<std::string, at::Tensor>> parameters() const;

 private:
  std::vector<SiteDelta> deltas_;
};

// The random linear layer that the reproduction of SERAC in EasyEdit puts between the picture
// features and the counterfactual model. Weights and biases are uniform in +-1/sqrt(D), and drawn
// again for each edit.
struct Projection {
  at::Tensor weight, bias;  // (D, D), (D)
  static Projection draw(int64_t width, uint64_t seed, at::Device device);
};

// The random seed of an edit's Projection.
uint64_t projection_seed(int64_t seed, const std::string& entry, const std::string& target);

// A batch of questions, each after its edit, as a pass at the start of the language module.
struct CounterfactualPass {
  Pass pass;
  // For each row: the index of the inserted edit, and its length.
  std::vector<int64_t> edit_begin, edit_length;
  // For each row: the index of the first position that is not padding.
  std::vector<int64_t> first;

  // Returns the index in the flattened (R * T) of position `offset` of a row, which is counted
  // without padding and without the inserted edit. The logits at both positions predict the same
  // token.
  int64_t position(int64_t row, int64_t offset) const;
};
// `image_features` has the connector outputs for the pictures of the batch (undefined without
// pictures).
// `prefixes` and `projections` (empty: none) have one item for each row.
CounterfactualPass counterfactual_pass(const Model& model, const Batch& questions,
                                       const std::vector<const EditPrefix*>& prefixes,
                                       const at::Tensor& image_features,
                                       const std::vector<const Projection*>& projections,
                                       PadSide pad);

}  // namespace emend
