#pragma once

#include <functional>

#include "evaluation/protocol.h"
#include "models/vlm.h"
#include "suites/scenes.h"

namespace emend {

// What a user asked to change, and how to judge it where they said so.
struct EditQuestion {
  Picture image;       // may be absent
  std::string prompt;  // bare
  std::string target;
  std::vector<std::string> rephrasings;
  std::vector<Picture> other_pictures;                            // of the same thing
  std::vector<std::pair<std::string, std::string>> consequences;  // question, answer
  bool sees = true;  // whether unrelated pictures can be asked about
};

// The default probe set: the user's rephrasings, else the bundled world's other wordings where the
// prompt is one of its questions; the user's other pictures, else altered copies of the picture;
// the user's consequences, asked with the picture; `count` unrelated text facts and `count`
// unrelated pictures with questions from the bundled world's eval split.
Record default_record(const EditQuestion& question, int count, uint64_t seed);

// The other wordings of a question of the bundled world (same topic); none when it is not one.
std::vector<std::string> other_wordings(const std::string& question);

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
