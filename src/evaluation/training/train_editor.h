#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "editing/training/trainer.h"
#include "evaluation/measuring/measure.h"
#include "suites/suite.h"

namespace emend {

// What an editor is trained on and where it goes.
struct TrainJob {
  const Suite* suite = nullptr;  // its first records are set apart for validation
  Protocol protocol;             // prompts, and how validation judges
  std::string output;  // the best editor so far; OUTPUT.state is what training goes on from
  at::ScalarType dtype = at::kFloat;  // of OUTPUT's tensors
  bool resume = false;
  std::string from = {};  // checkpoint that the networks begin as, for another round of training
  int64_t seed = 0;       // of the order of records
  ActivationStore* store = nullptr;
};

// The record's edit as a lesson, its probes as what has to follow and what has to stay. `own`: the
// edit's own question, too. Portability is not taught.
Lesson lesson_of(const Record& record, const Protocol& protocol, bool own);

// Trains until the steps are done, validation stops improving (the mean of its groups' scores), or
// an interrupt; a run that goes on from OUTPUT.state ends as an unbroken one would. Writes OUTPUT
// after each validation that is the best so far. Returns the training's facts: steps, history of
// losses and scores, the best, seconds. Throws emend::Error when the suite has too few records,
// gradients stay without sense, or OUTPUT.state belongs to another training.
nlohmann::json train_editor(const Vlm& vlm, Trainee& trainee, const TrainJob& job);

}  // namespace emend
