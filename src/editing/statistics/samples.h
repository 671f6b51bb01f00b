#pragma once

#include <functional>
#include <string>
#include <vector>

#include "editing/statistics/moments.h"
#include "editing/training/forced.h"

namespace emend {

// What moments are computed from.
struct MomentsSamples {
  MomentsSource source;
  // The rows of sample i < source.samples: formatted prompts with their answers. A query without a
  // target is text alone.
  std::function<std::vector<TargetQuery>(int64_t i)> queries;
};

// Chooses `count` of `available` samples at random, in ascending order; 0: all.
std::vector<int64_t> choose_samples(int64_t available, int64_t count, int64_t seed);

// The lines of a text file, without empty ones: `count` of them, chosen at random; 0: all. Throws
// emend::Error if the file cannot be read, has no text, or is not UTF-8.
MomentsSamples text_samples(const std::string& path, int64_t count, int64_t seed);

}  // namespace emend
