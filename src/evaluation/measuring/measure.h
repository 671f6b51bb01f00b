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

// A probe as the input of the model.
struct Asked {
  Group group;
  ForcedQuery query;
  std::string expected;  // without leading space
  bool similar = false;  // Probe::similar
};

// A padded batch before any request is rewritten, with its passes before some stages, ascending.
// Only the unedited model ran before these stages. Both sides of a measurement use the padded
// shape.
struct KeptBatch {
  Batch batch;
  PadSide pad = PadSide::right;
  std::vector<Pass> kept;
};

// Probes that run as one batch, with the kept passes of the side before the edit.
struct AskedBatch {
  std::vector<size_t> asked;  // indices into Before::asked
  KeptBatch forced;           // prompts and answers; no rows without teacher forcing
  KeptBatch prompts;          // prompts to generate from; no rows without generation
  std::vector<std::vector<int64_t>> answers;  // expected answers, at the end of forced rows
  std::vector<at::Tensor> ranks;  // (positions, k) of a forced locality row before the edit
};

// The side before the edit: computed once for a record and shared by all editors.
struct Before {
  Protocol protocol;
  std::vector<Asked> asked;
  std::vector<AskedBatch> batches;
  std::vector<std::string> answers;      // by probe
  std::shared_ptr<ActivationStore> own;  // used if no store is given
  ActivationStore* store = nullptr;      // null: everything is recomputed
};

struct MeasureOptions {
  ActivationStore* store = nullptr;  // shared activations; null: kept for this record only
  // The stages that later edits may change first: passes are kept before each of them. Empty:
  // before each module.
  std::vector<size_t> boundaries = {};
  // false: each probe is a separate pass from the pixels on, before and after the edit. A
  // comparison of editors then repeats the side before the edit for each editor.
  bool reuse = true;
  // A record without a reliability probe gets one with the question of the edit.
  bool own_question = true;
};

// Measures the side before the edit. `base`: interventions that are already applied. With a store
// and without a base, the side is stored under a key of everything that it depends on.
Before take_before(const Vlm& vlm, const Record& record, const Protocol& protocol = {},
                   const Interventions& base = {}, const MeasureOptions& options = {});

struct ProbeResult {
  Asked asked;
  std::string before, after;  // answers: generated, or the top-1 tokens under teacher forcing
  double score = 0;           // protocol score: accuracy, or for locality the agreement with before
  double generated = 0;       // 1 when the answer is the expected one (locality: as before)
  double vqa = 0;  // the same after VQA normalization (articles, punctuation, number words)
};

// Means of a group over `probes` probes.
struct Score {
  double score = 0;
  double generated = 0;
  double vqa = 0;
  int64_t probes = 0;
  // Standard error of `score`: sample deviation / sqrt(records). NaN for a single record.
  double error = std::numeric_limits<double>::quiet_NaN();
};

// The means of a record; groups without probes are absent.
std::map<Group, Score> means_by_group(const std::vector<ProbeResult>& probes);

struct Measured {
  std::vector<ProbeResult> probes;
  std::map<Group, Score> scores;  // means_by_group(probes)
};

// `interventions`: everything that is applied, base and edit. Their `rows` (a scope) index
// Before::asked. Throws emend::Error when the edited model's logits are NaN, and when a rewritten
// request is longer than before although the protocol compares equal lengths only.
Measured measure(const Vlm& vlm, const Before& before, const Interventions& interventions);

// A cell of the T x I grid (De-VQA) with the mean over the records that have it.
struct Cell {
  Place place;
  bool unchanged;  // answers should not change; false: they should be the target
  Score score;
  using Key = std::tuple<std::string, std::string, bool>;  // text, image, unchanged
};

// Unweighted means over records of each record's means, as in the literature.
class Averages {
 public:
  void add(const Measured& measured);
  std::map<Group, Score> scores() const;
  std::vector<Cell> grid() const;  // texts edited, similar, unrelated; pictures in the same order
  int64_t records() const { return records_; }

 private:
  // Running mean and sum of squared deviations (Welford), which is numerically stable.
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
