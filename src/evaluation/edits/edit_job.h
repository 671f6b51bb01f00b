#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "editing/editor.h"
#include "editing/patches/patch_stack.h"
#include "evaluation/edits/edit_question.h"
#include "evaluation/measuring/measure.h"

namespace emend {

// What a user asks of one editor: edits to make, and how to judge them.
struct EditJob {
  struct Edit {
    EditQuestion question;
    Protocol protocol;  // its question_template makes the prompt
  };
  const Editor* editor = nullptr;
  std::vector<Edit> edits;
  bool sequential = false;           // one edit after another; else all are one batch edit
  const PatchStack* base = nullptr;  // edits made before, which stay applied; null: none
  DefaultProbes defaults;            // asked once, for all edits together
  uint64_t seed = 0;
  // Called when a part of the work begins, with its name, and after each step of an edit.
  std::function<void(const std::string& part)> on_part = {};
  EditContext::Progress on_step = {};
};

// A token of the target that the edited model does not predict where it should.
struct FailedToken {
  int64_t position;  // in the target, from 0; the target's length for its end
  std::string expected, predicted;
};

// What became of one edit.
struct EditVerdict {
  std::string prompt;               // as the model sees it
  std::string before, after;        // greedy answers
  bool holds = false;               // `after` is the target (same_answer)
  std::vector<FailedToken> failed;  // with the target fed in; empty when the edit holds
  nlohmann::json effect;            // what the editor says; of a batch edit, of all
  Measured measured;
};

struct EditOutcome {
  Patch patch;  // of all edits
  std::vector<EditVerdict> edits;
  std::map<Group, Score> scores;  // of all probes of all edits
  double seconds = 0;             // that the edits took

  bool holds() const;
  bool changed() const;  // whether the patch changes or remembers anything
};

// Makes the edits, asks their questions again, and measures them. `before` is the model with the
// patches of `base`. Throws emend::Error when an edit cannot be made; then nothing was measured.
EditOutcome run_edits(const Vlm& vlm, const EditJob& job);

// The longest answer that is generated for a target: 32 tokens, or a few more than the target has.
int64_t answer_room(const Vlm& vlm, const std::string& target);

nlohmann::json to_json(const FailedToken& token);

}  // namespace emend
