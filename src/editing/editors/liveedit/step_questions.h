#pragma once

#include <random>
#include <vector>

#include "editing/training/edit_example.h"

namespace emend {

// The questions of a training step of LiveEdit, drawn from its examples.
struct StepQuestions {
  // Questions by their kind: those of the edits, reworded ones about the same picture, ones about
  // other pictures that should be answered alike, and unrelated ones about pictures.
  enum class Kind { edit, text, picture, unrelated };

  std::vector<TargetQuery> queries;
  std::vector<Kind> kind;
  std::vector<size_t> example;
  at::Tensor expert_mask;  // (queries, examples) bool: the experts that a question may use
  // Pairs of a question and an edit, as indices of queries. Both of a positive pair show the same;
  // those of a negative pair do not, and one is unrelated to the other.
  struct Pairs {
    std::vector<int64_t> inputs, edits;
  };
  Pairs positives, negatives;

  StepQuestions(const std::vector<EditExample>& examples, int64_t seed);
  int64_t count(Kind of) const;
  // The indices of the questions of the edits, in the order of the examples.
  std::vector<int64_t> edits() const;
};

}  // namespace emend
