#pragma once

#include <vector>

#include "models/config/blip2_config.h"
#include "models/core/model.h"

namespace emend::bench {

// A row of the evaluation: its number of positions, and the number of positions with logits.
struct RowShape {
  int64_t length = 0;
  int64_t wanted = 0;
  bool image = false;
};

// The minimum number of operations for a record: every distinct activation is computed once, rows
// are not padded, and the head runs only where a metric or the loss needs logits. With F(s) one
// forward pass of stage s over the distinct pictures or the rows, f the first edited stage, and n
// steps:
//   whole  = sum of F(s) over all s                        the measurement before the edit
//   after  = sum of F(s) over s >= f, without rows that the edit cannot affect
//   tuning = (n - 1) forward passes of the edit's row over s >= f (the passes before the first and
//            after the last step are the measurements before and after the edit), and n backward
//            passes. A backward pass costs as much as the forward pass of each linear layer and
//            attention behind an edited layer, for the gradient of its input (attention: twice as
//            much), and again as much for each edited layer, for the gradient of its weight.
struct Floor {
  double whole = 0, vision = 0, after = 0, tuning = 0;  // `vision` is part of `whole`

  double cold() const { return whole + after + tuning; }
  double another() const { return after + tuning; }  // the measurement before the edit is shared
};

// `edited`: the edited sites; `rank`: the rank of their deltas, 0 if dense. The first row is the
// edit's.
Floor floor_of(const Blip2Config& config, const Model& model, const std::vector<RowShape>& rows,
               int64_t pictures, const std::vector<Site>& edited, int64_t rank, int64_t steps);

}  // namespace emend::bench
