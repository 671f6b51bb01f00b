#pragma once

#include <string>
#include <vector>

#include "editing/editor.h"
#include "editing/settings/settings.h"
#include "editing/training/gradient_factors.h"
#include "io/processes/process_group.h"

namespace emend {

// A training example: an edit, its generality questions, and its locality questions.
struct EditExample {
  EditRequest edit;
  std::vector<TargetQuery> generality;      // should be answered with their targets after the edit
  std::vector<TargetQuery> image_locality;  // should not change at any position
  std::vector<TargetQuery> text_locality;
  // Questions whose answers follow from the edit. Most editors do not train them.
  std::vector<TargetQuery> consequences = {};
};

// The weights of the losses. The defaults are those of EasyEdit's trainer.
struct LossWeights {
  double edit = 0.1;    // weight of the nll of generality
  double locality = 1;  // weight of KL(before || after), for text and for image locality
  // Weight of the shrinking gaps between the best tokens of image locality.
  double ranks = 0;
  int64_t ranked = 10;         // number of these tokens
  bool end_of_answer = false;  // append the stop token to every answer

  void declare(SettingList& list);
};

// Examples as padded batches, which have run up to the first stage that their edits change.
struct ExampleBatch {
  // A batch of questions, either all with pictures or all without.
  struct Part {
    // Before `first`; `logit_positions` has the generality positions, then the locality positions.
    Pass pass;
    EditIndex edit_index;
    at::Tensor answers;         // (G) answer tokens of the generality questions
    at::Tensor answer_weights;  // (G) weights whose sum over the tokens of a question is 1
    // (L, V) log-probabilities of the locality positions without the edits.
    at::Tensor before;
    bool pictures = false;
  };
  ForcedBatch edits;  // one row for each example
  Pass edit_pass;
  EditIndex edit_index;
  std::vector<Part> parts;
};

// Runs a batch up to stage `first` (exclusive) without gradients, all pictures at once.
Pass training_pass(const Vlm& vlm, const Batch& batch, size_t first, ActivationStore* store);

// `first` is a stage, and `base` has edits that stay applied. Questions that no change from `first`
// on can affect (texts, if `language` is false) are omitted. Examples never share pictures.
ExampleBatch prepare_examples(const Vlm& vlm, const std::vector<EditExample>& examples,
                              size_t first, bool language, bool end_of_answer,
                              ActivationStore* store);

// `deltas` has one item for each row of the edits (language), or for each picture (other modules).
// The losses are means over the examples, or 0 if there are no questions of a kind.
struct EditLosses {
  at::Tensor total;  // weighted sum
  double generality = 0, image_locality = 0, text_locality = 0, ranks = 0;
};
// With a group of processes, each of which calls this, the means of their losses are the losses of
// all examples.
EditLosses edit_losses(const Model& model, const ExampleBatch& batch,
                       const std::vector<EditDeltas>& deltas, const LossWeights& weights,
                       ProcessGroup* group = nullptr);

// Returns how much the gaps between successive tokens among the `count` + 1 most likely ones of
// `before` shrank, relative to the gaps; 0 if none did. This is a surrogate for top-k agreement,
// which ignores changes that keep the order, and is sensitive where KL is not. before, after: (L,
// V) log-probabilities. `number`: the number of gaps to divide by; 0: that of `before`.
at::Tensor gap_shrinkage(const at::Tensor& before, const at::Tensor& after, int64_t count,
                         double number = 0);

}  // namespace emend
