#pragma once

#include <array>
#include <string>
#include <unordered_map>
#include <vector>

#include "models/core/pass.h"
#include "suites/scenes/scenes.h"
#include "text/tokenizer.h"

namespace emend::pretrain {

// The subjects of training: the kinds of questions, and corrections in the context.
inline constexpr int kCorrection = scenes::kKinds;
inline constexpr int kSubjects = scenes::kKinds + 1;
std::string subject_name(int subject);

// A question of a batch: the tokens of its answer, and its text.
struct BatchQuestion {
  int subject;
  size_t begin, end;  // range in TrainingBatch::targets
  std::string prompt, answer;
};

// A batch of rows: a picture (or none), then several questions that share it but do not see each
// other.
struct TrainingBatch {
  std::vector<Row> rows;
  std::vector<int64_t> row_of, position_of;  // positions whose logits are needed ...
  std::vector<int64_t> targets;              // ... and the token to predict at each of them
  std::vector<double> weights;               // weight of each target in the loss
  std::vector<BatchQuestion> questions;
};

// Sampling weights of the subjects; subjects with more wrong answers are sampled more often.
struct Mix {
  std::array<double, kSubjects> error;  // moving average of the fraction of wrong answers
  Mix() { error.fill(1); }
  double weight(int subject) const;
  void observe(const std::vector<BatchQuestion>& questions, const std::vector<bool>& right);
};

class BatchMaker {
 public:
  BatchMaker(const Tokenizer& tokenizer, int64_t num_image_tokens, scenes::Split split);

  // Appends a row about the scene: questions of about `tokens` tokens in total, so that rows have
  // similar lengths and little padding. `image` is the index of its picture.
  void add_picture_row(TrainingBatch& batch, const scenes::Scene& scene, int64_t image,
                       int64_t tokens, const Mix& mix, scenes::Rng& rng);
  // Appends a text-only row of facts and corrections of facts.
  void add_text_row(TrainingBatch& batch, int64_t tokens, scenes::Rng& rng);
  // Appends a row with exactly these questions, each with the first template; the subject is the
  // kind of the question.
  void ask(TrainingBatch& batch, const std::vector<scenes::Question>& questions, int64_t image);

 private:
  struct Exercise {
    int subject;
    std::string prompt, answer;
  };
  void append(TrainingBatch& batch, const std::vector<Exercise>& exercises, int64_t image);
  std::string wrapped(const scenes::Question& question, scenes::Rng& rng) const;
  // A question after a fact in the context that overrides the picture or the memory, or after an
  // unrelated fact, which must not change the answer.
  Exercise corrected(const std::vector<const scenes::Question*>& pool,
                     const scenes::Question& question, scenes::Rng& rng) const;
  int64_t length(const Exercise& exercise);
  const std::vector<int64_t>& tokens(const std::string& text);

  const Tokenizer& tokenizer_;
  int64_t num_image_tokens_;
  int64_t bos_, eos_;
  std::vector<scenes::Question> facts_;
  std::unordered_map<std::string, std::vector<int64_t>> cache_;
};

}  // namespace emend::pretrain
