#pragma once

#include <memory>
#include <string>
#include <vector>

#include "adamw.h"
#include "heads.h"
#include "models/core/model.h"
#include "pool.h"
#include "training_batch.h"

namespace emend::pretrain {

struct Recipe {
  int64_t pictures = 64;  // per step
  int64_t tokens = 110;   // tokens of questions and answers per row; they share a picture
  int64_t text_rows = 8;  // per step, without a picture
  double lr = 2e-3;
  double weight_decay = 0.05;
  double clip = 1.0;
  int64_t warmup = 200;
  // Steps with only the auxiliary heads. The language model joins when the queries are informative.
  int64_t look_steps = 1500;
  double heads_weight = 0.5;  // relative to the language loss, after look_steps
  uint64_t seed = 1;
  int threads = 2;
};

// The results of a training step or an evaluation.
struct StepResult {
  double loss = 0, patches = 0, queries = 0;
  double places_right = 0, shapes_right = 0, creatures_right = 0;
  std::array<double, kSubjects> right{}, seen{};

  void add(const StepResult& other);
  // Losses and fractions become means; the counts of answers stay sums.
  void average(double over);
  std::string line() const;
};

// Trains a model on the pretraining split. The work of a step is divided among the threads.
class Trainer {
 public:
  Trainer(Model& model, Heads& heads, const Tokenizer& tokenizer, Pool& pool, const Recipe& recipe);

  // Runs one step with this learning rate.
  StepResult step(double lr);
  int64_t steps() const { return steps_; }
  // Evaluates greedy answers about held-out scenes by exact match.
  StepResult evaluate(const Pool& held_out, int64_t pictures) const;

  void save(const std::string& path) const;
  void resume(const std::string& path);

 private:
  struct Share {
    StepResult result;
    std::vector<at::Tensor> grads;
    std::vector<BatchQuestion> questions;
    std::vector<bool> right;
  };
  // Runs the pass up to the queries, and computes the loss of the heads.
  Heads::Loss look(Pass& pass, const std::vector<const scenes::Scene*>& shown,
                   HeadTargets targets) const;
  // The loss of the heads on pictures that show only a part of the content.
  at::Tensor look_in_part(HeadTargets targets, int64_t pictures, BatchMaker& maker,
                          scenes::Rng& rng) const;
  Share learn(uint64_t seed, int64_t pictures, int64_t text_rows, BatchMaker& maker);

  Model& model_;
  Heads& heads_;
  const Tokenizer& tokenizer_;
  Pool& pool_;
  Recipe recipe_;
  std::vector<BatchMaker> makers_;  // one per thread, because each has a token cache
  Mix mix_;
  AdamW optimizer_;
  int64_t steps_ = 0;
};

}  // namespace emend::pretrain
