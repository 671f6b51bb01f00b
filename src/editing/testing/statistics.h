#pragma once

#include <algorithm>

#include "editing/statistics/collect.h"
#include "editing/targets/ffn_outputs.h"
#include "io/files/path.h"
#include "tests/tiny_vlm.h"

// For tests: statistics of a tiny model.
namespace emend::testing {

// Writes MODEL/statistics.safetensors for the feed-forward layers of all modules.
inline void write_statistics(const Vlm& vlm) {
  const bool sees = vlm.model->reads_pictures();
  CollectMomentsJob job;
  std::vector<std::string> modules = {"language"};
  if (sees) modules.insert(modules.end(), {"connector", "projector", "vision_tower"});
  job.sites = ffn_outputs_or_sites(*vlm.model, modules);
  job.samples.source.samples = 30;
  job.samples.source.max_length = std::min<int64_t>(4096, vlm.model->max_positions());
  job.samples.queries = [sees](int64_t i) {
    const auto number = std::to_string(i * 7919);
    std::vector<TargetQuery> queries = {{{}, "Where is number " + number + "?", " here"}};
    if (sees)
      queries.push_back({{"", noise_image(static_cast<uint64_t>(i) + 100)},
                         "What is " + number + " on it?",
                         " a thing"});
    return queries;
  };
  job.output = vlm.folder + "/statistics.safetensors";
  collect_moments(vlm, job);
}

}  // namespace emend::testing
