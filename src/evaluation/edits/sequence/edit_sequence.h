#pragma once

#include <set>
#include <string>
#include <vector>

#include "editing/patches/merge.h"
#include "editing/patches/patch_stack.h"
#include "evaluation/edits/edit_job.h"
#include "evaluation/edits/sequence/edit_snapshots.h"

namespace emend {

// The state in which an edit of the job is made on top of these patches.
EditContext edit_context(const Vlm& vlm, const EditJob& job, const PatchStack& patches,
                         ActivationStore* store);

// The edits of a sequential job. Each edit is made on top of the base and of all earlier edits.
// With `job.snapshots`, the edits are saved from time to time. A job with the same editor, base and
// first edits continues after the last saved edit, with the same bits as an uninterrupted job.
class EditSequence {
 public:
  // `requests`: one for each edit of the job. Loads the saved edits, if there are any. Throws
  // emend::Error if they are those of another job.
  EditSequence(const Vlm& vlm, const EditJob& job, const std::vector<EditRequest>& requests,
               ActivationStore* store);

  // The number of edits that are made.
  size_t size() const { return effects_.size(); }
  // Makes the next edit. Throws emend::Error if it is not possible.
  void make_next();
  // Saves the edits, if it is time, or if the job ends here.
  void save_if_due(bool stopping);
  // What the editor reported about an edit.
  const nlohmann::json& effect(size_t index) const { return effects_[index]; }
  // The base with the edits.
  const PatchStack& stack() const { return stack_; }
  // All edits as one patch.
  Patch patch() const { return edits_.patch(); }

 private:
  void load();
  void add_to_stack(std::vector<Patch> patches);
  bool has_base() const { return job_.base && !job_.base->patches().empty(); }
  // What the first edits depend on.
  nlohmann::json facts(size_t edits) const;

  const Vlm& vlm_;
  const EditJob& job_;
  const std::vector<EditRequest>& requests_;
  ActivationStore* store_;
  EditSnapshots snapshots_;
  nlohmann::json setup_;             // everything besides the requests that an edit depends on
  std::vector<std::string> hashes_;  // of the requests
  MergedPatch edits_;
  std::vector<nlohmann::json> effects_;
  std::set<std::string> ids_;
  PatchStack stack_;
};

}  // namespace emend
