#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "evaluation/bench/judge.h"
#include "evaluation/bench/run_folder.h"
#include "models/caching/activation_store.h"
#include "models/vlm.h"

namespace emend {

struct RunOptions {
  // single: each edit is judged and taken off. sequential: edits pile up, and earlier ones are
  // judged again. batch: several records are one edit, and judged each.
  enum class Mode { single, sequential, batch };

  std::string directory;
  bool restart = false;  // throw away what a run before left there
  Mode mode = Mode::single;
  size_t batch_size = 10;                                    // batch
  std::vector<size_t> judge_at = {1, 10, 100, 1000, 10000};  // sequential; and always at the end
  size_t judge_sample = 100;                                 // sequential
  Protocol protocol;
  uint64_t seed = 0;
  bool reuse = true;  // false: the naive way
  // sequential: DIRECTORY/patches/LABEL.patch holds all edits of an editor. batch: each batch's
  // edit, LABEL-batch-0001.patch and so on. The same files after an interruption as without one.
  bool save_patches = false;
  nlohmann::json facts;  // more for config: limit, device, dtype where it was asked for
};

struct RunOutcome {
  bool finished = false;                        // else it was interrupted
  size_t done = 0, total = 0;                   // records judged (again ones counted), of how many
  nlohmann::json results;                       // as results.json holds it
  std::map<std::string, std::string> hopeless;  // editors that failed at every record, and why
  std::vector<std::string> patches;             // the files that `save_patches` wrote
};

// Judges editors on a suite's records and fills a folder (docs/results.md). A run that was killed
// or interrupted goes on where it was when it is made and run again with the same arguments. One
// record that fails is a failed line of its editor, and no more.
class Runner {
 public:
  // `base`, the model unedited, is added in front of the editors. Everything that can be wrong is
  // told here, before a model is open; nothing is written. Throws emend::Error.
  Runner(const Suite& suite, const std::vector<EditorSpec>& editors, RunOptions options);

  // Throws emend::Error when an editor cannot work on this model, when the folder's run was made
  // with another one, and when the folder cannot be written to any more.
  RunOutcome run(const Vlm& vlm, ActivationStore* store = nullptr);

 private:
  const Suite& suite_;
  RunOptions options_;
  std::vector<Candidate> candidates_;  // base first
  nlohmann::json run_;                 // run.json, as far as it is known
  RunFolder folder_;
};

const char* mode_name(RunOptions::Mode mode);

}  // namespace emend
