#pragma once

#include <array>
#include <string>
#include <unordered_map>
#include <vector>

#include "models/core/pass.h"
#include "suites/scenes/scenes.h"
#include "text/tokenizer.h"

namespace emend::pretrain {

// What is taught: the kinds of question, and corrections read from the context.
inline constexpr int kCorrection = scenes::kKinds;
inline constexpr int kSubjects = scenes::kKinds + 1;
std::string subject_name(int subject);

// One question put to the model: what its answer is made of and where it stands in the batch.
struct Asked {
  int subject;
  size_t begin, end;  // range in Lessons::targets
  std::string prompt, answer;
};

// A batch of rows: an image (or nothing), then several questions that share it but not each other.
struct Lessons {
  std::vector<Row> rows;
  std::vector<int64_t> row_of, position_of;  // whose logits are wanted ...
  std::vector<int64_t> targets;              // ... and the token that shall follow there
  std::vector<double> weights;               // of each target in the loss
  std::vector<Asked> asked;
};

// How often each subject is drawn; raised where the model still errs.
struct Mix {
  std::array<double, kSubjects> error;  // running share of wrong answers
  Mix() { error.fill(1); }
  double weight(int subject) const;
  void observe(const std::vector<Asked>& asked, const std::vector<bool>& right);
};

class Teacher {
 public:
  Teacher(const Tokenizer& tokenizer, int64_t image_slots, scenes::Split split);

  // Appends a row about the scene to the lessons: questions of about `tokens` tokens, so that rows
  // are of one length and little is padding; image is its index.
  void teach_picture(Lessons& lessons, const scenes::Scene& scene, int64_t image, int64_t tokens,
                     const Mix& mix, scenes::Rng& rng);
  // Appends a text-only row of facts and corrections of facts.
  void teach_text(Lessons& lessons, int64_t tokens, scenes::Rng& rng);
  // Appends a row that asks exactly these, each by the first template; subject is the question's
  // kind.
  void ask(Lessons& lessons, const std::vector<scenes::Question>& questions, int64_t image);

 private:
  struct Exercise {
    int subject;
    std::string prompt, answer;
  };
  void append(Lessons& lessons, const std::vector<Exercise>& exercises, int64_t image);
  std::string wrapped(const scenes::Question& question, scenes::Rng& rng) const;
  // A fact told before the question that overrides what the picture or the memory says; or another
  // fact, which must not.
  Exercise corrected(const std::vector<const scenes::Question*>& pool,
                     const scenes::Question& question, scenes::Rng& rng) const;
  int64_t length(const Exercise& exercise);
  const std::vector<int64_t>& tokens(const std::string& text);

  const Tokenizer& tokenizer_;
  int64_t image_slots_;
  int64_t bos_, eos_;
  std::vector<scenes::Question> facts_;
  std::unordered_map<std::string, std::vector<int64_t>> cache_;
};

}  // namespace emend::pretrain
