#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "evaluation/tracing/trace_suite.h"

namespace emend {

// One trace, or the mean over the questions of one kind.
struct TracePagePart {
  std::string kind;  // edit, text, beside; empty for a single question
  TraceResult result;
  std::optional<TracedQuestions> questions = {};
  std::string picture = {};  // of the overlay, as a data URL; empty: none
};

// One HTML page with the maps, the effects by layer, and the settings. It refers to no other files
// and has no scripts.
std::string trace_page(const std::string& title, const nlohmann::json& facts,
                       const std::vector<TracePagePart>& parts);

// Where the answer was found, as lines for a terminal: "seen: connector.layer.2 (residual at query
// tokens, indirect effect 0.41)".
std::vector<std::string> trace_summary(const TraceResult& result);

// The title of a figure of these runs.
std::string runs_title(const TraceResult& result, const TraceRuns& runs);

}  // namespace emend
