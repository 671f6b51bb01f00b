#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "evaluation/bench/judge.h"

namespace emend {

// The edits of a sequential run, which it saves from time to time, so that a resumed run does not
// make them again: FOLDER/000500/2.1.patch has the first 500 edits of candidate 2 (and 2.2.patch,
// see MergedPatch::parts). Only the newest snapshot is kept.
class EditSnapshots {
 public:
  // seconds: the time of edits after which they are saved, which is longer if saving takes more than
  // a tenth of it; 0: after each edit.
  EditSnapshots(std::string folder, double seconds) : folder_(std::move(folder)), least_(seconds) {}

  // Sets the edits of the candidates to those of the newest snapshot with at most `most` edits, and
  // returns the number of edits, or 0 if there is no snapshot. A snapshot that cannot be read is
  // skipped with a warning.
  size_t load(std::vector<Candidate>& candidates, size_t most) const;
  // Counts the time of an edit that is not saved yet.
  void add_seconds(double seconds) { unsaved_ += seconds; }
  // Whether the edits should be saved. stopping: the run ends here.
  bool due(bool stopping) const;
  // Saves the first `edits` edits of every candidate, unless a patch cannot represent them exactly.
  void save(const std::vector<Candidate>& candidates, size_t edits);
  void remove() const;

 private:
  std::string folder_;
  double least_;
  double unsaved_ = 0, saving_ = 0;  // seconds
};

}  // namespace emend
