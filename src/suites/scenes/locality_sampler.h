#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "suites/scenes/scenes.h"

namespace emend::scenes {

// Selects locality probes, which an edit should not change. Keeps references to its arguments.
class LocalitySampler {
 public:
  LocalitySampler(const Scene& scene, const Question& question, const std::string& target,
                  Split split);

  // Up to `count` text facts about subjects that the edit does not name.
  std::vector<Question> unrelated_facts(int count, Rng& rng) const;
  // A scene that shares nothing with the edit's scene, with a question about it.
  std::pair<Scene, Question> unrelated_scene(Rng& rng) const;
  // RI: another scene for the edit's question, and the answer there (the original answer if it has
  // none). Hard on purpose: if possible, the question applies to the scene, and its answer is
  // neither the original answer nor the target, such as the color of another star. A model that
  // learned "stars are blue" instead of "this star is blue" fails there. Without a star, the
  // question would make no sense. Scenes that look like the edit's scene before or after the edit
  // are not used.
  std::pair<Scene, std::string> other_scene(Rng& rng) const;
  // CI: up to `count` questions about `shown` (the edit's scene or a variant of it) whose answers
  // do not depend on the edit, with different topics.
  std::vector<Question> unaffected_questions(const Scene& shown, int count, Rng& rng) const;

 private:
  bool mentions_edit(const std::string& text, const std::string& answer) const;
  bool shares_a_subject(const Scene& other) const;
  bool is_similar(const Scene& other, const Scene& mine) const;
  bool depends_on_edit(const Question& other) const;

  const Scene& scene_;
  const Question& question_;
  const std::string& target_;
  Split split_;
  std::optional<Scene> edited_scene_;  // the scene after the edit, if it is determined
  std::set<std::string> edit_words_;   // words of the answers, and names
  std::set<std::string> subjects_;  // words of the topic
};

}  // namespace emend::scenes
