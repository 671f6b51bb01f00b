#pragma once

#include "editing/statistics/samples.h"
#include "evaluation/protocol/protocol.h"
#include "suites/suite.h"

namespace emend {

// The questions of a record with their answers, as prompts of the protocol: the edit and its probes
// except for Portability, with and without pictures. The answer of a probe that should follow the
// edit is the true one, or the model's earlier one, where the record has it: statistics describe
// the unedited model.
std::vector<TargetQuery> questions_of(const Record& record, const Protocol& protocol);

// `count` records of the suite, chosen at random; 0: all. The suite must outlive the samples.
MomentsSamples suite_samples(const Suite& suite, const Protocol& protocol, int64_t count,
                             int64_t seed);

}  // namespace emend
