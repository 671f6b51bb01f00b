#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "editing/patches/patch.h"
#include "models/caching/activation_store.h"

namespace emend {

// An edit of an earlier patch, from the request that the patch stores, and its answers before and
// after a new edit.
struct EarlierEdit {
  std::string patch;                  // id
  std::string image, prompt, target;  // of the request; the prompt has its template
  std::string before, after;          // greedy answers
  bool held = false, holds = false;   // whether `before` and `after` are the target (same_answer)
  // The new edit changes the answer to the same question, or its entry supersedes that of this one.
  bool replaced = false;
  std::string problem;  // why the question was not asked; empty if it was

  bool lost() const { return problem.empty() && held && !holds && !replaced; }
};

// The edits of all patches, in their order. A request without a prompt and a target, or whose
// picture cannot be read, gets a problem.
std::vector<EarlierEdit> earlier_edits(const std::vector<Patch>& patches);

// Asks the questions of all edits without a problem, and returns the answers in the order of the
// edits.
std::vector<std::string> ask_again(const Vlm& vlm, const std::vector<EarlierEdit>& edits,
                                   const Interventions& interventions, ActivationStore* store);

// Whether two names of pictures are the same file, or both are empty.
bool same_picture(const std::string& a, const std::string& b);

nlohmann::json to_json(const EarlierEdit& edit);

}  // namespace emend
