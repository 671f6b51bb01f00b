#pragma once

#include <set>
#include <string>
#include <vector>

#include "evaluation/edits/batched_answers.h"
#include "evaluation/protocol/protocol.h"
#include "suites/suite.h"

namespace emend {

// Questions that no edit of a run should change, with their true answers: a measure of general
// ability.
class Exam {
 public:
  // The first `count` different locality questions of `source` with an answer, except for those
  // about `edited` facts (Record::fact). Half of them are about pictures, if there are enough of
  // both kinds. Throws emend::Error if `source` has fewer than `count` of them.
  Exam(const Suite& source, const std::set<std::string>& edited, size_t count,
       const Protocol& protocol);

  size_t size() const { return questions_.size(); }
  // The number of questions that the model answers rightly (same_answer) in greedy decoding.
  size_t right(const Vlm& vlm, const Interventions& interventions, ActivationStore* store) const;

 private:
  std::vector<PictureQuestion> questions_;
  std::vector<std::string> answers_;
};

}  // namespace emend
