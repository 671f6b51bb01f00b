#pragma once

#include <functional>
#include <memory>

#include "editing/tracing/token_groups.h"
#include "editing/tracing/trace.h"

namespace emend {

// A question with its picture and its answer, as the model gets them.
struct TracedRow {
  Row row;  // the prompt and the answer without its last token, with images from index 0
  Tiles tiles = {};
  std::vector<int64_t> answer = {};

  bool has_picture() const { return tiles.pixels.defined(); }
};

// The clean run and the corrupted runs after the first stage whose output the corruption changes.
struct CorruptedRuns {
  size_t entry = 0;            // this stage
  Pass clean;                  // one row
  Pass corrupted;              // one row for each draw of noise or other words
  int64_t first_position = 0;  // the first position of the language module that is corrupted
  // The positions before the passes, which are the same in all rows; null: none.
  std::shared_ptr<const KvCache> prefix = {};
  int64_t prefix_length = 0;
  double sigma = 0, factor = 0;
  // The same corruption for complete passes: the inputs of all rows, and the interventions that
  // corrupt one of them.
  Batch batch = {};
  std::function<Interventions(int64_t row)> corrupt = {};

  int64_t rows() const { return corrupted.ids.size(0); }
};

// kind: noise or swap, at `positions` of the row.
CorruptedRuns corrupt_text(const Vlm& vlm, const TracedRow& traced,
                           const std::vector<int64_t>& positions, const std::string& kind,
                           const TraceQuery& query, const TraceOptions& options,
                           const TraceContext& context);

// kind: noise, mean, swap, gray or pixel_noise. Throws emend::Error if the other picture is missing
// or is divided into other tiles.
CorruptedRuns corrupt_image(const Vlm& vlm, const TracedRow& traced, const std::string& kind,
                            const TraceQuery& query, const TraceOptions& options,
                            const TraceContext& context);

}  // namespace emend
