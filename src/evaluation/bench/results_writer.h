#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "evaluation/measuring/measure.h"

namespace emend {

// Makes results.json (docs/results.md) from what a run says of itself (run.json) and from its lines
// of samples.jsonl and timings.jsonl, one after the other: nothing but these goes in, so a run that
// was broken off and went on gives the same results. Memory does not grow with the lines, failures
// apart.
class Results {
 public:
  // run: {"config": {...}, "editors": [{label, name, settings, protocol?}, ...]}.
  explicit Results(nlohmann::json run);

  // Throws emend::Error when the line is of an editor that the run has not.
  void add(const nlohmann::json& sample);
  void add_timing(const nlohmann::json& timing);

  // `original`: records of the suite.
  nlohmann::json json(size_t original, bool partial) const;
  // Labels of editors that failed at every record, with the first reason.
  std::map<std::string, std::string> hopeless() const;

 private:
  struct Tally {
    Averages averages;
    int64_t failed = 0;
  };
  struct OfEditor {
    Tally when_made;
    std::map<int64_t, Tally> again;            // sequential mode: by edits made so far
    std::map<int64_t, nlohmann::json> failed;  // by the record's index
    int64_t sites = 0, numbers = 0;
    std::map<std::string, std::pair<double, int64_t>> seconds;
    int64_t judgements = 0;
  };

  OfEditor& of(const nlohmann::json& line);
  const Tally& last(const OfEditor& editor) const;

  nlohmann::json run_;
  std::map<std::string, OfEditor> editors_;
};

}  // namespace emend
