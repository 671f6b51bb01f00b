#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "editing/statistics/samples.h"
#include "io/processes/process_group.h"
#include "models/caching/activation_store.h"
#include "models/vlm.h"

namespace emend {

// The inputs and the output of a collection of moments.
struct CollectMomentsJob {
  std::vector<Site> sites;  // in model order
  MomentsSamples samples;
  nlohmann::json settings;  // more facts for the file, such as the precision
  // Memory of the sums of the sites that are collected together. If they need more, the samples run
  // once for each group of sites. A group has at least one site.
  uint64_t memory_bytes = uint64_t{4} << 30;
  std::string output;  // OUTPUT.state is used to continue
  double seconds_between_states = 300;
  ActivationStore* store = nullptr;  // for features of pictures
  // Processes that share the batches of samples; null: this one alone. Rank 0 writes OUTPUT, and
  // the others keep a state of their own (OUTPUT.state.1, ...). All must have the same arguments.
  // The sums differ from those of one process in rounding.
  ProcessGroup* group = nullptr;
};

// Runs the model on right-padded batches of the samples, up to the last site, and writes the
// moments of the inputs of the sites to OUTPUT (MomentsFile). Rows are cut after
// source.max_length positions. An interrupt stops between two batches and saves OUTPUT.state; the
// same call then continues and gives the same bytes as an uninterrupted one. A picture counts once
// for each batch in the vision tower and the connector, and in every row that shows it in the
// language module.
//
// Returns {"sites": [{"site", "dimension", "text", "image", "first"}], "source", "passes",
// "seconds", "interrupted"}, or after an interrupt {"interrupted", "done", "total"} with numbers of
// samples times passes. Throws emend::Error if no sample reaches a site, if the limit cuts a
// picture, or if OUTPUT.state is of another run.
nlohmann::json collect_moments(const Vlm& vlm, const CollectMomentsJob& job);

// Deletes OUTPUT and the files of an interrupted collection. A rank other than 0 deletes only its
// own state, which may be on another machine.
void discard_moments(const std::string& output, int rank = 0);

}  // namespace emend
