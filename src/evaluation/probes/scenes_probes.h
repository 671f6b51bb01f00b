#pragma once

#include <functional>
#include <set>

#include "evaluation/protocol/protocol.h"
#include "models/vlm.h"
#include "suites/scenes/scenes.h"

namespace emend {

// Other wordings of a question of Scenes (same topic); empty for another question.
std::vector<std::string> other_wordings(const std::string& question);

// Calls `take` with unrelated probes from the split `eval` of Scenes: at most `texts` facts without
// a picture, and `pictures` scenes with a question each. None asks `related`.
void scenes_locality(int texts, int pictures, uint64_t seed, const std::set<std::string>& related,
                     const std::function<void(Probe)>& take);

// Finds mistakes of the model: questions of new scenes that it answers wrongly (greedy generation).
// Each becomes the record that corrects it, with `before` filled. At most `count` records out of at
// most `limit` questions; `asked` receives the number of questions.
struct ErrorSearch {
  scenes::Split split = scenes::Split::eval;
  uint64_t seed = 0;
  size_t count = 50;
  size_t limit = 2000;
  scenes::EditOptions probes;
};
std::vector<Record> find_errors(const Vlm& vlm, const ErrorSearch& search, const Protocol& protocol,
                                size_t* asked = nullptr);

}  // namespace emend
