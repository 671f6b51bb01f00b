#pragma once

#include <memory>
#include <string>
#include <vector>

#include "adamw.h"
#include "heads.h"
#include "lessons.h"
#include "models/core/model.h"
#include "pool.h"

namespace emend::pretrain {

struct Recipe {
  int64_t pictures = 64;  // per step
  int64_t tokens = 110;   // of questions and answers per row, sharing its picture
  int64_t text_rows = 8;  // per step, without a picture
  double lr = 2e-3;
  double weight_decay = 0.05;
  double clip = 1.0;
  int64_t warmup = 200;
  // Steps with the auxiliary heads alone: the language model joins once the queries can be read.
  int64_t look_steps = 1500;
  double heads_weight = 0.5;  // beside the language loss afterwards
  uint64_t seed = 1;
  int threads = 2;
};

// What one step, or one examination, came to.
struct Marks {
  double loss = 0, patches = 0, queries = 0;
  double places_right = 0, shapes_right = 0, creatures_right = 0;
  std::array<double, kSubjects> right{}, seen{};

  void add(const Marks& other);
  // Losses and shares become means; the counts of answers stay sums.
  void average(double over);
  std::string line() const;
};

// Trains a model on the pretraining split; every number of threads gives each its share of a step.
class Trainer {
 public:
  Trainer(Model& model, Heads& heads, const Tokenizer& tokenizer, Pool& pool, const Recipe& recipe);

  // One step at this learning rate.
  Marks step(double lr);
  int64_t steps() const { return steps_; }
  // Answers about scenes that pretraining never shows, judged exactly and greedily.
  Marks examine(const Pool& held_out, int64_t pictures) const;

  void save(const std::string& path) const;
  void resume(const std::string& path);

 private:
  struct Share {
    Marks marks;
    std::vector<at::Tensor> grads;
    std::vector<Asked> asked;
    std::vector<bool> right;
  };
  // Runs the pass up to the queries and reads them by the heads.
  Heads::Loss look(Pass& pass, const std::vector<const scenes::Scene*>& shown,
                   Legible legible) const;
  // The heads' loss on pictures that show only part of what is there.
  at::Tensor look_in_part(Legible legible, int64_t pictures, Teacher& teacher,
                          scenes::Rng& rng) const;
  Share learn(uint64_t seed, int64_t pictures, int64_t text_rows, Teacher& teacher);

  Model& model_;
  Heads& heads_;
  const Tokenizer& tokenizer_;
  Pool& pool_;
  Recipe recipe_;
  std::vector<Teacher> teachers_;  // one a thread: each keeps its own token cache
  Mix mix_;
  AdamW optimizer_;
  int64_t steps_ = 0;
};

}  // namespace emend::pretrain
