#pragma once

#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "editing/training/forced.h"
#include "evaluation/measuring/grid.h"
#include "evaluation/protocol/protocol.h"
#include "models/caching/activation_store.h"
#include "models/vlm.h"

namespace emend {

// A probe as it is put to the model.
struct Asked {
  Group group;
  ForcedQuery query;
  std::string expected;  // without leading space
  bool similar = false;  // Probe::similar
};

// A padded batch, no request rewritten yet, and its passes before some stages, ascending: what runs
// before them is the model's own. Both sides of a measurement run at its padded shape.
struct KeptBatch {
  Batch batch;
  PadSide pad = PadSide::right;
  std::vector<Pass> kept;
};

// Probes that run as one batch, and what is kept of the side before the edit.
struct AskedBatch {
  std::vector<size_t> asked;  // indices into Before::asked
  KeptBatch forced;           // prompts and answers; no rows when nothing is forced
  KeptBatch prompts;          // prompts alone, to generate from; no rows when nothing is generated
  std::vector<std::vector<int64_t>> answers;  // the expected answers' tokens, last in forced rows
  std::vector<at::Tensor> ranks;  // (positions, k) of a forced locality row before the edit
};

// The side of a measurement that no edit changes: made once for a record, used with every editor.
struct Before {
  Protocol protocol;
  std::vector<Asked> asked;
  std::vector<AskedBatch> batches;
  std::vector<std::string> answers;      // by probe
  std::shared_ptr<ActivationStore> own;  // the record's, where none was given
  ActivationStore* store = nullptr;      // which one; null: everything is computed anew
};

struct MeasureOptions {
  ActivationStore* store = nullptr;  // shared activations; null: nothing outlives the record
  // Stages that the edits to come may be the first to change: passes are kept before each. Empty:
  // before each module.
  std::vector<size_t> boundaries = {};
  // false: the naive way, each probe a pass of its own from the pixels on, before and after. One
  // that compares editors this way takes the before-side anew for each.
  bool reuse = true;
};

// A record without a reliability probe gets one: its own question. `base`: what was applied
// already. With a store, the side before (of no base) is found there again under a key of all that
// it depends on.
Before take_before(const Vlm& vlm, const Record& record, const Protocol& protocol = {},
                   const Interventions& base = {}, const MeasureOptions& options = {});

struct ProbeResult {
  Asked asked;
  std::string before, after;  // answers' texts: generated, or the best tokens while forced
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
  // Of `score` over records: sample deviation / sqrt(records). Not a number for a single record.
  double error = std::numeric_limits<double>::quiet_NaN();
};

// A record's means; groups without probes are absent.
std::map<Group, Score> means_by_group(const std::vector<ProbeResult>& probes);

struct Measured {
  std::vector<ProbeResult> probes;
  std::map<Group, Score> scores;  // means_by_group(probes)
};

// `interventions`: all that is applied, base and edit. Their `rows` (a scope) name Before::asked.
// Throws emend::Error when the edited model's logits are NaN, and when a rewritten request is
// longer than before where the protocol compares equal lengths only.
Measured measure(const Vlm& vlm, const Before& before, const Interventions& interventions);

// A cell of the T x I grid (De-VQA) and the mean over the records that fill it.
struct Cell {
  Place place;
  bool unchanged;  // expected of its answers; else the target
  Score score;
  using Key = std::tuple<std::string, std::string, bool>;  // text, image, unchanged
};

// Unweighted mean over records of each record's means, as the field reports a file.
class Averages {
 public:
  void add(const Measured& measured);
  std::map<Group, Score> scores() const;
  std::vector<Cell> grid() const;  // texts edited, similar, unrelated; pictures in the same order
  int64_t records() const { return records_; }

 private:
  // Running mean and sum of squared distances from it (Welford), which does not cancel.
  struct Running {
    Score mean;
    double squares = 0;
    int64_t records = 0;
    void add(const Score& of_record);
    Score score() const;
  };
  std::map<Group, Running> groups_;
  std::map<Cell::Key, Running> cells_;
  int64_t records_ = 0;
};

nlohmann::json to_json(const std::map<Group, Score>& scores);
nlohmann::json to_json(const std::vector<Cell>& grid);
nlohmann::json to_json(const ProbeResult& result);

}  // namespace emend
