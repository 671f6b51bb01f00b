#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "editing/training/trainer.h"
#include "evaluation/measuring/averages.h"
#include "io/processes/process_group.h"
#include "suites/suite.h"

namespace emend {

// The inputs and outputs of a training run.
struct TrainJob {
  const Suite* suite = nullptr;       // its first records are used for validation
  Protocol protocol;                  // for prompts and validation
  std::string output;                 // the best editor so far; OUTPUT.state is used to resume
  at::ScalarType dtype = at::kFloat;  // dtype of OUTPUT's tensors
  bool resume = false;
  bool restart = false;   // remove OUTPUT and OUTPUT.state of an earlier training
  std::string from = {};  // checkpoint to initialize the networks from
  int64_t seed = 0;       // for the order of records
  ActivationStore* store = nullptr;
  // Processes that share the examples of each step; null: this one alone. Rank 0 writes the files.
  // Losses differ from those of one process in rounding. Each process validates on all records.
  ProcessGroup* group = nullptr;
};

// A training example: the edit, probes that should follow it, and probes that should not change.
// `own`: include the question of the edit.
EditExample example_of(const Record& record, const Protocol& protocol, bool own);

// Trains until the steps are done, validation stops improving (the mean of its groups' scores), or
// an interrupt. A run that is resumed from OUTPUT.state gives the same result as an uninterrupted
// one; OUTPUT then gets the dtype of the job. Writes OUTPUT after each validation with the best
// score so far. Returns the facts of the training: steps, history of losses and scores, best
// checkpoint, seconds. Throws emend::Error when the suite has too few records, gradients are not
// finite, or OUTPUT.state is of another training.
nlohmann::json train_editor(const Vlm& vlm, TrainableEditor& editor_networks, const TrainJob& job);

}  // namespace emend
