#pragma once

#include "editing/targets/target_modules.h"
#include "editing/training/trainer.h"

namespace emend {

// Base of the training of networks that turn gradients into deltas.
class TrainableHyperEditor : public TrainableEditor {
 protected:
  TrainableHyperEditor(const Vlm& vlm, ActivationStore* store) : vlm_(vlm), store_(store) {}

  // Runs the examples up to the first stage that one of the sites changes.
  ExampleBatch prepare(const std::vector<EditExample>& examples, const std::vector<Site>& sites,
                       bool end_of_answer) const;

  const Vlm& vlm_;
  ActivationStore* store_;
};

}  // namespace emend
