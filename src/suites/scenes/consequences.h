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

// All that follows from `target` being the answer and did not hold before, in every wording;
// nothing of the edit's own topic.
std::vector<Consequence> consequences(const Scene& scene, const Question& question,
                                      const std::string& target);

}  // namespace emend::scenes
