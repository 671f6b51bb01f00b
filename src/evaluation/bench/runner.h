#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "evaluation/bench/files/run_folder.h"
#include "evaluation/bench/judge.h"
#include "io/processes/process_group.h"
#include "models/caching/activation_store.h"
#include "models/vlm.h"

namespace emend {

// How a run edits and judges.
struct RunOptions {
  // single: each edit is judged and removed. sequential: edits accumulate, and earlier edits are
  // judged again. batch: several records are one edit, and each is judged. In sequential mode,
  // several records can be one edit, too.
  enum class Mode { single, sequential, batch };

  std::string directory;  // empty: this process writes no files, and only `work` is called
  bool restart = false;  // discard an earlier run in the folder
  Mode mode = Mode::single;
  std::optional<size_t> batch_size = {};  // none: 1 in sequential mode, 10 in batch mode
  std::vector<size_t> judge_at = {1, 10, 100, 1000, 10000};  // sequential; and always at the end
  size_t judge_sample = 100;                                 // sequential
  Protocol protocol;
  uint64_t seed = 0;
  // sequential: questions that are asked before the edits and at each point of `judge_at`; null:
  // none.
  const Suite* exam = nullptr;
  size_t exam_questions = 200;
  bool oracle = false;  // add an ideal editor, whose scores are the ceiling (Oracle)
  bool reuse = true;    // false: share no computations
  bool shared = false;  // several processes judge the records
  // sequential: DIRECTORY/patches/LABEL.patch contains all edits of an editor. batch:
  // LABEL-batch-0001.patch and so on contain one batch each. A resumed run writes the same files.
  bool save_patches = false;
  // sequential: the edits are saved when they took this long, so that a resumed run does not make
  // them again.
  double snapshot_seconds = 30;
  nlohmann::json facts;  // more fields of config: limit, device, dtype if it was given
  // Called after each editor's judgment of a record with the records that are done and their total.
  // False stops the run, which can be resumed. Without this function, the run shows its progress on
  // stderr, and stops at SIGINT or SIGTERM.
  std::function<bool(size_t done, size_t total)> on_judged = {};
};

// The result of a run.
struct RunOutcome {
  bool finished = false;       // false: it was interrupted
  size_t done = 0, total = 0;  // judgments made, including repeated ones, and their total
  nlohmann::json results;      // the content of results.json
  std::map<std::string, std::string> failed_editors;  // first reasons of editors that always failed
  std::vector<std::string> patches;                   // the files written for `save_patches`
};

// Judges editors on the records of a suite and fills a folder (docs/results.md). A run that was
// killed or interrupted is resumed when it is started again with the same arguments. A record that
// fails becomes a failed line of its editor.
class Runner {
 public:
  // `base`, the unedited model, is added in front of the editors. Checks all arguments before a
  // model is opened and writes nothing. Throws emend::Error.
  Runner(const Suite& suite, const std::vector<EditorSpec>& editors, RunOptions options);

  // Throws emend::Error when an editor cannot edit this model, when the folder has a run of another
  // model, and when the folder is no longer writable.
  // With a group of processes, rank 0 calls run, and the others call work.
  RunOutcome run(const Vlm& vlm, ActivationStore* store = nullptr, ProcessGroup* group = nullptr);
  // Judges records for rank 0 until all are judged, and writes no files. Throws emend::Error if
  // rank 0 runs another model, other editors or other options.
  void work(const Vlm& vlm, ActivationStore* store, ProcessGroup& group);

 private:
  nlohmann::json complete_run(const Vlm& vlm) const;

  const Suite& suite_;
  RunOptions options_;
  std::vector<Candidate> candidates_;  // base first
  nlohmann::json run_;                 // run.json without the fields of the model
  std::optional<RunFolder> folder_;
};

const char* mode_name(RunOptions::Mode mode);

}  // namespace emend
