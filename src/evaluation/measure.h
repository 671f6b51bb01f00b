#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "editing/forced.h"
#include "evaluation/protocol.h"
#include "models/activation_store.h"
#include "models/vlm.h"

namespace emend {

// A probe as it is put to the model.
struct Asked {
  Group group;
  ForcedQuery query;
  std::string expected;  // without leading space
};

// Probes that run as one padded batch, and what is kept of it: the same batch, at the same padded
// shape, is run again after the edit, from the latest kept boundary that the edit leaves alone.
struct AskedBatch {
  std::vector<size_t> asked;  // indices into Before::asked
  ForcedBatch forced;
  std::vector<Pass> kept;             // before the first stage of each module
  std::vector<int64_t> logits_begin;  // (B + 1) a row's first logits among the wanted ones
  std::vector<at::Tensor> ranks;      // (positions, k) of a locality row before the edit
};

// The side of a measurement that no edit changes: made once for a record, used with every editor.
struct Before {
  Protocol protocol;
  std::vector<Asked> asked;
  std::vector<AskedBatch> batches;
  std::vector<std::string> answers;  // generated, by probe
};
struct MeasureOptions {
  ActivationStore* store = nullptr;  // shared activations; null: nothing outlives the record
  // Stages that the edits to come may be the first to change: passes are kept before each.
  std::vector<size_t> boundaries = {};
  // false: the naive way, each probe a pass of its own from the picture on, before and after.
  bool reuse = true;
};

// A record without a reliability probe gets one: its own question. `base`: what was applied
// already.
Before take_before(const Vlm& vlm, const Record& record, const Protocol& protocol = {},
                   const Interventions& base = {}, const MeasureOptions& options = {});

struct ProbeResult {
  Asked asked;
  std::string before, after;  // generated answers
  double score = 0;           // the protocol's own: accuracy; for a locality agreement with before
  double generated = 0;  // 1 when the answer's text is the expected one (a locality: as before)
  double vqa = 0;        // the same after VQA's normalisation (articles, punctuation, number words)
};

// Means of a group; `probes` is how many they were taken over.
struct Score {
  double score = 0;
  double generated = 0;
  double vqa = 0;
  int64_t probes = 0;
};

struct Measured {
  std::vector<ProbeResult> probes;
  std::map<Group, Score> scores;  // groups without probes are absent
};
// Throws emend::Error when the edited model's logits are NaN.
Measured measure(const Vlm& vlm, const Before& before, const Interventions& interventions);

// Unweighted mean over records of each record's means, as the field reports a file.
class Averages {
 public:
  void add(const Measured& measured);
  std::map<Group, Score> scores() const;
  int64_t records() const { return records_; }

 private:
  std::map<Group, Score> sums_;
  std::map<Group, int64_t> counts_;
  int64_t records_ = 0;
};

nlohmann::json to_json(const std::map<Group, Score>& scores);
nlohmann::json to_json(const ProbeResult& result);

}  // namespace emend
