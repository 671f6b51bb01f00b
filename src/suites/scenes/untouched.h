#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "suites/scenes/scenes.h"

namespace emend::scenes {

// What an edit leaves alone: where locality is asked. Refers to its arguments.
class Untouched {
 public:
  Untouched(const Scene& scene, const Question& question, const std::string& target, Split split);

  // Text facts about nothing that the edit names, up to `count`.
  std::vector<Question> unrelated_facts(int count, Rng& rng) const;
  // A picture that shares nothing with the edit's, with a question of its own.
  std::pair<Scene, Question> unrelated_scene(Rng& rng) const;
  // RI: another picture for the edit's own question, and its answer there (the edit's truth where
  // it has none). Hard on purpose: if possible the question can be asked of it and has an answer
  // that is neither the truth nor the target, such as the color of another star. A model that
  // learned "stars are blue" and not "this star is blue" fails there; of a picture without a star
  // it would be asked nonsense. What looks the same as in the edit's picture, before or after the
  // edit, does not occur.
  std::pair<Scene, std::string> elsewhere(Rng& rng) const;
  // CI: questions of `shown` (the edit's scene or a variant of it) whose answers do not depend on
  // the edit, each topic once, up to `count`.
  std::vector<Question> beside(const Scene& shown, int count, Rng& rng) const;

 private:
  bool touches(const std::string& text, const std::string& answer) const;
  bool shares_a_subject(const Scene& other) const;
  bool looks_alike(const Scene& other, const Scene& mine) const;
  bool depends(const Question& other) const;

  const Scene& scene_;
  const Question& question_;
  const std::string& target_;
  Split split_;
  std::optional<Scene> world_;      // as the edit has it, where that is certain
  std::set<std::string> touched_;   // words of the answers, names
  std::set<std::string> subjects_;  // words that the topic is about
};

}  // namespace emend::scenes
