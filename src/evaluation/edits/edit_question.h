#pragma once

#include <string>
#include <utility>
#include <vector>

#include "evaluation/probes/default_probes.h"
#include "suites/record.h"

namespace emend {

// A question whose answer an edit should not change.
struct LocalityQuestion {
  Picture image;       // optional
  std::string prompt;  // without template
  std::string answer;  // empty: unknown, the model's answer before the edit is expected
};

// An edit of the user, with optional probes.
struct EditQuestion {
  Picture image;       // optional
  std::string prompt;  // without template
  std::string target;
  std::vector<std::string> rephrasings = {};
  std::vector<Picture> other_pictures = {};                            // of the same subject
  std::vector<std::pair<std::string, std::string>> consequences = {};  // question, answer
  std::vector<LocalityQuestion> locality = {};
  std::string subject = {};  // the words of the prompt that the fact is about, if known
};

// Calls `take` with each probe of the edit: reliability; the user's rephrasings, or other wordings
// from Scenes; the user's other pictures, or altered copies of the picture; the user's consequences
// with the picture; the user's locality questions; and as many unrelated questions as `defaults`
// sets.
void each_default_probe(const EditQuestion& question, const DefaultProbes& defaults, uint64_t seed,
                        const TakeProbe& take);
// The edit with all of these probes.
Record default_record(const EditQuestion& question, const DefaultProbes& defaults, uint64_t seed);

}  // namespace emend
