#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "io/processes/process_group.h"

namespace emend {

// Blocks of records that the processes of a group judge. A block contains the records of one edit,
// so blocks do not depend on each other. Each process claims the next block when it has finished
// its last one. Rank 0 takes the results in the order of the records. A block whose process has
// died is judged by rank 0.
class SharedBlocks {
 public:
  struct Range {
    size_t first, end, step;  // records, and records of a block
  };
  // Judges the block that begins at a record. The result must not be null.
  using JudgeBlock = std::function<nlohmann::json(size_t begin)>;

  SharedBlocks(ProcessGroup& group, JudgeBlock judge)
      : group_(group), judge_(std::move(judge)) {}

  // Rank 0: announces the blocks. The other ranks wait for this.
  void open(const Range& range);
  // Rank 0: the result of the block that begins at `begin`.
  nlohmann::json take(size_t begin);
  // The other ranks: judge blocks until all are claimed, rank 0 has closed them, or `interrupted`
  // returns true.
  void work(const std::function<bool()>& interrupted);
  // Rank 0: no more blocks will be taken.
  void close();
  // Whether rank 0 has closed the blocks, or has failed.
  bool closed();

 private:
  std::optional<size_t> claim();
  bool is_lost(size_t begin, bool all_claimed);

  ProcessGroup& group_;
  JudgeBlock judge_;
  Range range_ = {};
  std::map<size_t, nlohmann::json> own_;  // results of this process that rank 0 has not taken yet
};

}  // namespace emend
