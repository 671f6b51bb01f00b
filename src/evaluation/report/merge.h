#pragma once

#include "evaluation/report/run_reader.h"

namespace emend {

// One row of a table: an editor with its settings, over all runs that measured it.
struct Method {
  std::string title;  // the label, with settings that differ from methods of the same label
  EditorRun mean;     // over `sources`; for several, errors are standard deviations over them
  struct Source {
    size_t run = 0, editor = 0;  // in Block::runs, Run::editors
  };
  std::vector<Source> sources;
};

// Runs that share a table: same suite, protocol, mode, number of records, model and dtype.
struct Block {
  std::vector<const Run*> runs;
  std::vector<Method> methods;
  std::vector<std::vector<size_t>> method_of;  // by run and editor: the index in `methods`

  const Run& first() const { return *runs.front(); }
  const EditorRun& editor(const Method::Source& source) const {
    return runs[source.run]->editors[source.editor];
  }
};

// The tables of a report.
struct Merged {
  std::vector<Block> blocks;  // in the order of the runs, to which they point
  std::vector<std::string> warnings;
};
// Runs with the same seed and equal results count once. Over seeds: unweighted mean and sample
// standard deviation.
Merged merge_runs(const std::vector<Run>& runs);

}  // namespace emend
