#pragma once

#include <map>
#include <string>

#include "evaluation/measuring/measure.h"

namespace emend {

// An ideal editor: it remembers the target of every edit, and answers questions about the same fact
// (Probe::fact) with it, the latest edit first. Everything else is answered as before. Its scores
// are the ceiling of each group, because edits of a long sequence may contradict each other.
class Oracle {
 public:
  // Throws emend::Error if the suite does not identify the record's fact.
  void add(const Record& record);
  // `unedited`: the measurement of the record without edits. The consequences of an edit
  // (portability) count as right unless a later edit contradicts them.
  RecordResult judge(RecordResult unedited) const;

 private:
  std::map<std::string, std::string> targets_;  // by fact
};

}  // namespace emend
