#pragma once

#include <string>
#include <vector>

#include "suites/scenes/scenes.h"

namespace emend::scenes {

// A question whose answer follows from an edit.
struct Consequence {
  Question question;
  bool of_picture = true;  // false: text only
};

// All questions whose answers change if `target` is the answer, in every wording, without those of
// the edit's topic.
std::vector<Consequence> consequences(const Scene& scene, const Question& question,
                                      const std::string& target);

}  // namespace emend::scenes
