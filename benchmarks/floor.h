#pragma once

#include <vector>

#include "models/config/blip2_config.h"
#include "models/core/model.h"

namespace emend::bench {

// A row of the evaluation: positions in all, of which the head is asked at `wanted`.
struct RowShape {
  int64_t length = 0;
  int64_t wanted = 0;
  bool image = false;
};

// The fewest operations that a record takes when every distinct activation is computed once, no row
// is padded, and the head runs where a metric or the loss looks. With F(s) one forward of stage s
// over the distinct pictures or the rows, f the first edited stage, n steps:
//   whole  = sum of F(s) over all s                        the side before the edit
//   after  = sum of F(s) over s >= f, without rows that the edit cannot reach
//   tuning = (n - 1) forwards of the edit's row over s >= f (those with no and with all steps taken
//            are the sides before and after), and n backwards: for each linear layer and attention
//            behind an edited one as much again for its input's gradient (attention: twice), and
//            for each edited one as much again for its weight's.
struct Floor {
  double whole = 0, vision = 0, after = 0, tuning = 0;  // `vision` is part of `whole`

  double cold() const { return whole + after + tuning; }
  double another() const { return after + tuning; }  // the side before is another editor's
};

// `edited`: the sites; `rank`: of their change, 0 when dense. The first row is the edit's own.
Floor floor_of(const Blip2Config& config, const Model& model, const std::vector<RowShape>& rows,
               int64_t pictures, const std::vector<Site>& edited, int64_t rank, int64_t steps);

}  // namespace emend::bench
