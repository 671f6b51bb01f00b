#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "editing/editor.h"
#include "editing/patches/patch_stack.h"
#include "evaluation/edits/earlier_edits.h"
#include "evaluation/edits/edit_question.h"
#include "evaluation/measuring/measure.h"

namespace emend {

// Edits to make with one editor, and how to judge them.
struct EditJob {
  struct Edit {
    EditQuestion question;
    Protocol protocol;  // its question_template builds the prompt
  };
  const Editor* editor = nullptr;
  std::vector<Edit> edits;
  bool sequential = false;           // one edit after another; false: one batch edit
  const PatchStack* base = nullptr;  // earlier edits, which stay applied; null: none
  DefaultProbes defaults;            // added once for all edits
  uint64_t seed = 0;
  // Sequential edits: a folder in which they are saved at intervals, so that the same job can
  // continue after an interrupt or a crash. Removed when the edits are complete and measured.
  // Empty: nothing is saved, and an interrupt ends the program.
  std::string snapshots = {};
  double snapshot_seconds = 30;  // the time of edits after which they are saved; 0: after each
  // `on_part` is called with the name of each part when it begins, `on_step` after each step of an
  // edit, `on_edited` with the effect of an edit, `on_probes` with the number of measured probes
  // when there are many.
  std::function<void(const std::string& part)> on_part = {};
  EditContext::Progress on_step = {};
  std::function<void(const nlohmann::json& effect)> on_edited = {};
  std::function<void(size_t probes)> on_probes = {};
};

// A token of the target that the edited model does not predict.
struct FailedToken {
  int64_t position;  // 0-based position in the target; the length of the target for its end
  std::string expected, predicted;
};

// The result of one edit.
struct EditVerdict {
  std::string prompt;               // prompt of the model, with the template
  std::string before, after;        // greedy answers
  bool holds = false;               // `after` is the target (same_answer)
  std::vector<FailedToken> failed;  // under teacher forcing; empty when the edit holds
  nlohmann::json effect;            // facts from the editor; for a batch edit, of the whole batch
  RecordResult measured;
};

// The result of a job.
struct EditOutcome {
  Patch patch;  // of all edits
  std::vector<EditVerdict> edits;
  std::map<Group, Score> scores;     // over all probes of all edits
  std::vector<EarlierEdit> earlier;  // the edits of `base`, asked before and after
  double seconds = 0;                // duration of the edits
  // The number of edits that were made and saved before an interrupt. Nothing was measured.
  std::optional<size_t> interrupted_after = {};

  bool holds() const;
  bool changed() const;  // whether the patch has deltas or entries
};

// Makes the edits, repeats their questions, and measures them. The side before is the model with
// the patches of `base`. Throws emend::Error when an edit cannot be made; then nothing is measured.
EditOutcome run_edits(const Vlm& vlm, const EditJob& job);

// The maximum number of generated tokens for a target: 32, or a few more than the target has.
int64_t max_answer_tokens(const Vlm& vlm, const std::string& target);

nlohmann::json to_json(const FailedToken& token);

}  // namespace emend
