#pragma once

#include <string>
#include <vector>

#include "editing/editors/memory/counterfactual.h"
#include "editing/training/edit_example.h"
#include "editing/training/forced.h"

namespace emend {

// The questions of a training step of an editor with a memory: those of all examples in one list.
struct ScopeQuestions {
  enum class Kind { edit, follows, picture, text };  // `text` and `picture` are out of scope

  std::vector<TargetQuery> queries;
  std::vector<size_t> example;
  std::vector<Kind> kind;

  // `texts`: the share of examples that lose their picture. `pictures`: include questions about
  // unrelated pictures.
  static ScopeQuestions of(const std::vector<EditExample>& examples, double texts, bool pictures);
  void add(const TargetQuery& query, size_t of, Kind as);
  bool in_scope(size_t q) const { return kind[q] == Kind::edit || kind[q] == Kind::follows; }
};

// The nll of the targets of questions in scope, each after its edit: the mean over questions of the
// mean over tokens. `answers` is the maximum number of questions for each example (0: all).
// `image_features` is the result of get_image_features for the pictures of `forced`.
// `projection_seed`, if it is not negative, draws a Projection for each edit.
at::Tensor counterfactual_loss(const Vlm& vlm, const LowRankChange& change,
                               const std::string& edit_prefix, const ScopeQuestions& all,
                               const ForcedBatch& forced, const at::Tensor& image_features,
                               int64_t answers, int64_t projection_seed = -1);

// KL(before || after) of unrelated questions about an edit's own picture, if the model reads the
// edit in front of them: the mean over questions of the mean over tokens. `before` is the unedited
// model without the edit. 0 if there are no such questions.
at::Tensor reading_locality_loss(const Vlm& vlm, const LowRankChange& change,
                                 const std::string& edit_prefix, const ScopeQuestions& all,
                                 const ForcedBatch& forced, const at::Tensor& image_features,
                                 int64_t answers);

}  // namespace emend
