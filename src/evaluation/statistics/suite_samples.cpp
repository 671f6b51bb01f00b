#include "evaluation/statistics/suite_samples.h"

#include <memory>

#include "io/strings/blank.h"

namespace emend {

std::vector<TargetQuery> questions_of(const Record& record, const Protocol& protocol) {
  const auto& unedited = !is_blank(record.truth)    ? record.truth
                         : !is_blank(record.before) ? record.before
                                                    : record.target;
  std::vector<TargetQuery> queries = {
      {record.image, edit_prompt(protocol, record), continuation(protocol, unedited)}};
  for (const auto& probe : record.probes) {
    if (probe.group == Group::reliability || probe.group == Group::portability) continue;
    const auto& answer = is_locality(probe.group) ? probe.answer : unedited;
    if (is_blank(answer)) continue;
    queries.push_back(
        {probe.image, probe_prompt(protocol, record, probe), continuation(protocol, answer)});
  }
  return queries;
}

MomentsSamples suite_samples(const Suite& suite, const Protocol& protocol, int64_t count,
                             int64_t seed) {
  const auto chosen = std::make_shared<std::vector<int64_t>>(
      choose_samples(static_cast<int64_t>(suite.size()), count, seed));
  MomentsSamples samples;
  samples.source.data = {{"suite", suite.metadata()}, {"protocol", protocol.name}};
  samples.source.samples = static_cast<int64_t>(chosen->size());
  samples.source.seed = seed;
  samples.queries = [&suite, protocol, chosen](int64_t i) {
    const auto index = chosen->at(static_cast<size_t>(i));
    return questions_of(suite.record(static_cast<size_t>(index)), protocol);
  };
  return samples;
}

}  // namespace emend
