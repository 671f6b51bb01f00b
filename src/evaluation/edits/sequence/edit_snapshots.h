#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "editing/patches/merge.h"

namespace emend {

// The edits of a sequence, saved from time to time, so that a resumed sequence does not make them
// again: FOLDER/000500/2.1.patch has the first 500 edits of the second of several sequences (and
// 2.2.patch, see MergedPatch::parts), and index.json has the ids of all patches and the facts of
// the caller. Only the newest snapshot is kept.
class EditSnapshots {
 public:
  // seconds: the time of edits after which they are saved, which is longer if saving takes more
  // than a tenth of it; 0: after each edit.
  EditSnapshots(std::string folder, double seconds) : folder_(std::move(folder)), least_(seconds) {}

  // Sets the edits of the sequences to those of the newest snapshot with at most `most` edits, and
  // returns the number of edits, or 0 if there is no snapshot. A snapshot that cannot be read is
  // skipped with a warning. `facts`: receives the facts.
  size_t load(const std::vector<MergedPatch*>& sequences, size_t most,
              nlohmann::json* facts = nullptr);
  // Counts the time of an edit that is not saved yet.
  void add_seconds(double seconds) { unsaved_ += seconds; }
  // Whether the edits should be saved. stopping: the sequence ends here.
  bool due(bool stopping) const;
  // Saves the first `edits` edits of every sequence, unless a patch cannot represent them exactly.
  void save(const std::vector<const MergedPatch*>& sequences, size_t edits,
            const nlohmann::json& facts = nullptr);
  // Removes the snapshots, and the folder if it is then empty.
  void remove() const;

 private:
  std::string folder_;
  double least_;
  double unsaved_ = 0, saving_ = 0;  // seconds
  size_t saved_ = 0;                 // the edits of the newest snapshot that can be read
};

}  // namespace emend
