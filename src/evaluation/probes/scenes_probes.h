#pragma once

#include <set>

#include "evaluation/protocol/protocol.h"
#include "models/vlm.h"
#include "suites/scenes/scenes.h"

namespace emend {

// The other wordings of a question of the bundled world (same topic); none when it is not one.
std::vector<std::string> other_wordings(const std::string& question);

// Unrelated probes from the bundled world's eval split: `texts` facts without a picture, and
// `pictures` drawn scenes with a question each. None asks what is in `related`.
std::vector<Probe> scenes_locality(int texts, int pictures, uint64_t seed,
                                   const std::set<std::string>& related);

// The model's own mistakes: questions of freshly drawn scenes that it answers wrongly (generated,
// greedy), each as the record that corrects it, `before` filled. At most `count` records out of at
// most `limit` questions; `asked` is told how many were put.
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
