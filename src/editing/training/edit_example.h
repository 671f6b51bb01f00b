#pragma once

#include <string>
#include <vector>

#include "editing/editor.h"
#include "editing/settings/settings.h"
#include "editing/training/gradient_factors.h"

namespace emend {

// What an editor learns from: an edit, what has to follow it, and what has to stay.
struct Lesson {
  EditRequest edit;
  std::vector<ForcedQuery> generality;      // to be answered with their targets afterwards
  std::vector<ForcedQuery> image_locality;  // to be answered as before, at every position
  std::vector<ForcedQuery> text_locality;
};

// What counts how much. The defaults are the field's (the trainer of EasyEdit).
struct LessonWeights {
  double edit = 0.1;           // of the nll of generality
  double locality = 1;         // of KL(before || after), text and image each
  double ranks = 0;            // of the shrinking of gaps between the best tokens of image locality
  int64_t ranked = 10;         // how many of the best tokens these are
  bool end_of_answer = false;  // the stop token belongs to every answer

  void declare(SettingList& list);
};

// Lessons as padded batches, run up to the first stage that their edits change.
struct LessonBatch {
  // A batch of questions, those with and those without a picture apart.
  struct Part {
    Pass pass;  // before `first`; wanted: the generality's positions, the localities'
    EditOf edit_of;
    at::Tensor answers;         // (G) tokens of the generality's answers
    at::Tensor answer_weights;  // (G) sum over a question's tokens: 1
    at::Tensor before;          // (L, V) log-probabilities of the localities without the edits
    bool pictures = false;
  };
  ForcedBatch edits;  // a row a lesson
  Pass edit_pass;
  EditOf edit_of;
  std::vector<Part> parts;
};

// `first`: stage; `base`: edits that stay applied. Parts that no change from `first` on reaches
// (texts, when `language` is false) are left out. Pictures are never shared between lessons.
LessonBatch prepare_lessons(const Vlm& vlm, const std::vector<Lesson>& lessons, size_t first,
                            bool language, bool end_of_answer, ActivationStore* store);

// `deltas`: of each row of the edits (language), of each picture (elsewhere).
// Means over the lessons; 0 where there is nothing of the kind.
struct LessonLosses {
  at::Tensor total;  // weighted sum
  double generality = 0, image_locality = 0, text_locality = 0, ranks = 0;
};
LessonLosses lesson_losses(const Model& model, const LessonBatch& batch,
                           const std::vector<EditDeltas>& deltas, const LessonWeights& weights);

// How much the gaps between neighbours among the `count` + 1 best tokens of `before` shrank, each
// relative to the gap; 0 when none did. What top-k agreement sees: it is blind to drift that leaves
// the order, and sharp where KL is flat. Both: (L, V) log-probabilities.
at::Tensor shrunk_gaps(const at::Tensor& before, const at::Tensor& after, int64_t count);

}  // namespace emend
