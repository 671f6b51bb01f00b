#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "models/core/model.h"

namespace emend {

// How well a run gives the traced answer.
struct TraceScore {
  double probability = 0;      // of the first token of the answer
  double log_probability = 0;  // mean over the tokens of the answer, in nats
};

// The restored runs of one component of one module: a heat map with groups of positions as rows and
// layers as columns.
struct TraceMap {
  Module module = Module::language;
  std::string component;            // residual, attention, mlp
  int64_t window = 1;               // number of blocks that were restored together
  std::vector<std::string> groups;  // subject, image, ...; see token_groups
  // The stage after which, or the block at the center of the window where states were restored.
  std::vector<std::string> layers;
  // [group][layer]: restored score minus corrupted score, in the means over noise rows and records.
  std::vector<std::vector<TraceScore>> effects;
  std::vector<std::vector<TraceScore>>
      errors;  // standard errors over records; empty for one record

  // The row of a group; -1: none.
  int64_t row(const std::string& group) const;
  // The number of groups that are parts of the picture ("image 1,1"). A part without an image token
  // or patch has no group.
  int64_t picture_parts() const;
};

// The runs with one corruption.
struct TraceRuns {
  std::string corrupted;       // text or image
  std::string kind;            // noise, swap, mean, gray, pixel_noise
  double sigma = 0;            // standard deviation of what noise is added to; 0 without noise
  double factor = 0;           // of sigma
  int64_t rows = 1;            // number of noise rows
  int64_t records = 1;         // number of records in the means
  TraceScore clean;            // of these records
  TraceScore score, error;     // the corrupted run, and its standard errors over records
  TraceScore restored;         // all states restored at the first layer
  double reversible = 1;       // share of records for which this gives the clean probability again
  std::vector<TraceMap> maps;  // in the order of the model

  double total_effect() const { return clean.probability - score.probability; }
};

// The trace of a question, or the mean over several.
struct TraceResult {
  std::string prompt, subject, target;
  std::string answer;  // what the model answers; empty if a target was given that it may not give
  TraceScore clean;
  int64_t records = 1;
  std::vector<TraceRuns> runs;
  std::vector<std::string> notes;  // what a user should know, as sentences
  // The grid over the picture and where its cells are read from: groups of this module's first map.
  int64_t grid = 0;
};

nlohmann::json to_json(const TraceResult& result);
// Throws emend::Error, which names `file`, if the value is not a trace.
TraceResult trace_from_json(const nlohmann::json& value, const std::string& file);
// Reads trace.json of `emend trace`. Of a suite's averages, these runs are returned: the corrupted
// picture for the questions of the edits, and the corrupted subject for those without a picture, as
// far as they were traced. Throws emend::Error, which names the file, if it has no trace, or if a
// fingerprint is given and the trace is that of another model.
TraceResult load_trace(const std::string& path, const std::string& fingerprint = {});

// The means over traces, with standard errors. Runs are matched by corruption, and maps by module,
// component and window. A group that some traces lack has the mean of the others. Throws
// emend::Error if there are no traces, or they are of different models.
TraceResult average_traces(const std::vector<TraceResult>& traces);

// Where restoring has the largest effect.
struct TraceLocation {
  Module module = Module::language;
  std::string component, group, layer;
  TraceScore effect;
};

// For each module of the runs, the largest effect on the probability among the maps of `component`,
// at the groups where knowledge and pictures are (subject, image tokens, query tokens, patches).
// Modules without a positive effect are left out.
std::vector<TraceLocation> locate(const TraceRuns& runs, const std::string& component);

// The `count` blocks of a module whose MLP has the largest mean effect (over windows) on the
// probability, ascending: `layers=traced` of editors. language: at the subject, if its corruption
// was traced, else at the image tokens; other modules: at all tokens, for the corrupted picture.
// Throws emend::Error if the trace has no MLP map of the module.
std::vector<int64_t> traced_layers(const TraceResult& result, Module module, int64_t count);
// The sites among `candidates` that are in the traced blocks of the module.
std::vector<Site> traced_sites(const Model& model, const TraceResult& result, Module module,
                               int64_t count, const std::vector<Site>& candidates);

}  // namespace emend
