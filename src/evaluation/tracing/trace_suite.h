#pragma once

#include <map>
#include <string>

#include "editing/tracing/trace.h"
#include "evaluation/protocol/protocol.h"
#include "suites/suite.h"

namespace emend {

// Which questions of a record are traced. edit: its own question. text: its questions without a
// picture (T-Locality), which only the model's memory answers. beside: the same questions, asked
// with the record's picture, which does not matter. all: these three kinds.
struct TraceSuiteOptions {
  TraceOptions trace;
  Protocol protocol;
  std::string questions = "edit";
  std::string directory;      // traces.jsonl, trace.json and trace.html are written here
  bool restart = false;       // discards an earlier run in the folder
  nlohmann::json facts = {};  // for the results, such as the limit and the patches
  Interventions base = {};
};

// What happened to the questions of one kind.
struct TracedQuestions {
  int64_t traced = 0, wrong = 0, failed = 0;
  std::string first_failure;
  TraceResult mean;  // of the traced questions
};

// The result of trace_suite.
struct TraceSuiteOutcome {
  bool finished = false;  // false: interrupted; the same call continues
  size_t done = 0, total = 0;
  std::map<std::string, TracedQuestions> kinds;  // edit, text, beside
  nlohmann::json results;                        // the content of trace.json
};

// Traces the questions of a suite that the model answers rightly, and averages the traces. Each
// record is a line of traces.jsonl, so that the run can continue after an interrupt. Throws
// emend::Error if the folder has another run, or no question could be traced.
TraceSuiteOutcome trace_suite(const Vlm& vlm, const Suite& suite, const TraceSuiteOptions& options,
                              ActivationStore* store);

// The kinds in the order of outputs: edit, text, beside.
const std::vector<std::string>& question_kinds();
// The title of a kind of questions: "Questions without a picture".
const char* question_kind_title(const std::string& kind);

}  // namespace emend
