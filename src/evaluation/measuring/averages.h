#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "evaluation/measuring/grid.h"
#include "evaluation/measuring/measure.h"

namespace emend {

// A cell of the T x I grid (De-VQA) with the mean over the records that have it.
struct Cell {
  Place place;
  bool unchanged;  // answers should not change; false: they should be the target
  Score score;
  using Key = std::tuple<std::string, std::string, bool>;  // text, image, unchanged
};

// Unweighted means over records of each record's means, as in the literature.
class Averages {
 public:
  void add(const RecordResult& measured);
  std::map<Group, Score> scores() const;
  std::vector<Cell> grid() const;  // texts edited, similar, unrelated; pictures in the same order
  int64_t records() const { return records_; }

 private:
  // The mean and the sum of squared deviations, updated by Welford's numerically stable algorithm.
  struct RunningMean {
    Score mean;
    double squares = 0;
    int64_t records = 0;
    void add(const Score& of_record);
    Score score() const;
  };
  std::map<Group, RunningMean> groups_;
  std::map<Cell::Key, RunningMean> cells_;
  int64_t records_ = 0;
};

nlohmann::json to_json(const std::map<Group, Score>& scores);
nlohmann::json to_json(const std::vector<Cell>& grid);
nlohmann::json to_json(const ProbeResult& result);

}  // namespace emend
