#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "editing/editors/ike/corpus.h"
#include "evaluation/protocol/protocol.h"
#include "suites/suite.h"

namespace emend {

// The demonstrations of a record, with prompts of the protocol: its edit in the original wording,
// reworded (first text_generality probe), and an unrelated question that keeps its answer (first
// text_locality probe). Missing probes are left out.
std::vector<Demonstration> demonstrations_of(const Record& record, const Protocol& protocol);

// The source of IKE's demonstrations, and the output.
struct CollectJob {
  const Suite* suite = nullptr;
  Protocol protocol;                  // the exception for IKE, see for_editor
  std::string output;                 // the checkpoint
  at::ScalarType dtype = at::kFloat;  // dtype of its tensors
  IkeCorpusSettings settings;
};

// Collects demonstrations from the first records of the suite and writes them with their
// embeddings. Returns suite, protocol, records, demonstrations by kind, seconds. Throws
// emend::Error when a record cannot be read.
nlohmann::json collect_demonstrations(const Vlm& vlm, const CollectJob& job);

}  // namespace emend
