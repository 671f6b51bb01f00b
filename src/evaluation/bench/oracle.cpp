#include "evaluation/bench/oracle.h"

#include "evaluation/protocol/metrics.h"
#include "io/error.h"

namespace emend {

void Oracle::add(const Record& record) {
  if (record.fact.empty())
    throw Error("evaluation::oracle", "the suite does not identify the facts of its edits",
                "remove --oracle, or use --suite scenes");
  targets_[record.fact] = record.target;
}

RecordResult Oracle::judge(RecordResult unedited) const {
  for (auto& probe : unedited.probes) {
    const auto& query = probe.query;
    const bool locality = is_locality(query.group);
    const auto known = targets_.find(query.fact);
    const auto& answer = known != targets_.end()             ? known->second
                         : query.group == Group::portability ? query.expected
                                                             : probe.before;
    if (known == targets_.end() && query.group != Group::portability) continue;
    const auto& right = locality ? probe.before : query.expected;
    probe.after = answer;
    probe.score = probe.generated = probe.vqa = normalized(answer) == normalized(right) ? 1 : 0;
  }
  unedited.scores = means_by_group(unedited.probes);
  return unedited;
}

}  // namespace emend
