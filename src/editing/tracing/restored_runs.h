#pragma once

#include <map>

#include "editing/tracing/corruption.h"

namespace emend {

// The restored runs of one corruption.
class RestoredRuns {
 public:
  RestoredRuns(const Vlm& vlm, const TracedRow& traced, const CorruptedRuns& runs,
               const TraceOptions& options, const TraceContext& context);

  TraceScore clean() const { return clean_; }
  // Fills the scores, and the maps with the effects of every module. `groups`: of the row.
  void run(const std::vector<TokenGroup>& groups, TraceRuns& result);

 private:
  // A state that is restored: at positions, after one stage or in a window of blocks.
  struct Cell {
    std::string component;
    size_t map, group, layer;
    size_t first, last;  // stages: after `first` (residual), or from `first` to `last`
    at::Tensor mask;     // (tiles or 1, length) bool
  };

  void record_clean();
  void add_maps(Module module, const std::vector<TokenGroup>& groups, TraceRuns& result);
  std::vector<TokenGroup> groups_of(Module module, const std::vector<TokenGroup>& row) const;
  at::Tensor mask_of(Module module, const std::vector<int64_t>& positions) const;

  // Scores the cells, whose runs continue from the corrupted run.
  void restore(const Pass& from, const std::vector<Cell>& cells, TraceRuns& result);
  std::vector<TraceScore> restored_batch(const Pass& from, const std::vector<Cell>& cells) const;
  TraceScore score_of_cell(const Cell& cell) const;
  Interventions restorations(const std::vector<Cell>& cells) const;
  TraceScore everything_restored() const;
  // Runs a pass to the end. Returns the mean score of each `rows` rows.
  std::vector<TraceScore> finish(Pass pass, int64_t rows, const Interventions& interventions) const;

  const Model& model_;
  const TracedRow& traced_;
  const CorruptedRuns& runs_;
  const TraceOptions& options_;
  const TraceContext& context_;
  TraceScore clean_;
  std::vector<at::Tensor> clean_states_;             // by stage
  std::map<std::string, at::Tensor> clean_outputs_;  // by site
  // The sites that end the attention and the MLP of each block of a module, by its stage.
  std::map<size_t, std::vector<Site>> attention_, mlp_;
  std::map<size_t, std::vector<Cell>> residual_cells_, window_cells_;  // by the first stage
  std::vector<std::pair<size_t, size_t>> unchanged_;  // (map, group) without an effect
  int64_t cells_ = 0, done_ = 0;
};

}  // namespace emend
