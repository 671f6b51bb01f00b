#pragma once

#include <string>
#include <utility>
#include <vector>

#include "evaluation/probes/default_probes.h"
#include "suites/record.h"

namespace emend {

// A question whose answer an edit should leave as it is.
struct LocalityQuestion {
  Picture image;       // may be absent
  std::string prompt;  // bare
  std::string answer;  // empty: unknown, and the model's own answer before the edit stands for it
};

// An edit as a user asks for it, and how to judge it where the user says so.
struct EditQuestion {
  Picture image;       // may be absent
  std::string prompt;  // bare
  std::string target;
  std::vector<std::string> rephrasings = {};
  std::vector<Picture> other_pictures = {};                            // of the same thing
  std::vector<std::pair<std::string, std::string>> consequences = {};  // question, answer
  std::vector<LocalityQuestion> locality = {};
};

// The edit with its probes: reliability; the user's rephrasings, or the world's other wordings of
// the question; the user's other pictures, or altered copies of the picture; the user's
// consequences, asked about the picture; the user's locality questions; and as many unrelated
// questions of the world as `defaults` says.
Record default_record(const EditQuestion& question, const DefaultProbes& defaults, uint64_t seed);

}  // namespace emend
