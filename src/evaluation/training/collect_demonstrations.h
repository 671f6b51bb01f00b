#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "editing/editors/ike/corpus.h"
#include "evaluation/protocol/protocol.h"
#include "suites/suite.h"

namespace emend {

// A record's demonstrations, with prompts as the protocol builds them: its edit in its own words,
// reworded (its first text_generality probe), and an unrelated text that keeps its answer (its
// first text_locality probe); a probe that it lacks is left out.
std::vector<Demonstration> demonstrations_of(const Record& record, const Protocol& protocol);

// What IKE chooses from, and where it is to go.
struct CollectJob {
  const Suite* suite = nullptr;
  Protocol protocol;                  // for IKE: see for_editor
  std::string output;                 // the checkpoint
  at::ScalarType dtype = at::kFloat;  // of its tensors
  IkeCorpusSettings settings;
};

// Collects the demonstrations of the suite's first records and writes them with their embeddings.
// Returns suite, protocol, records, demonstrations by kind, seconds. Throws emend::Error when a
// record cannot be read.
nlohmann::json collect_demonstrations(const Vlm& vlm, const CollectJob& job);

}  // namespace emend
