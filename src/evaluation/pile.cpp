#include "evaluation/pile.h"

#include <algorithm>

namespace emend {
namespace {

bool is_sum(const Intervention& change) {
  return change.point == Point::weight && change.delta.dense.defined() && change.rows.empty();
}

}  // namespace

void pile_up(Interventions& pile, const Interventions& edit) {
  at::NoGradGuard no_grad;
  for (const auto& change : edit) {
    auto known = std::find_if(pile.begin(), pile.end(), [&](const Intervention& other) {
      return is_sum(change) && is_sum(other) && other.where == change.where;
    });
    if (known == pile.end())
      pile.push_back(change);
    else
      known->delta.dense = known->delta.dense + change.delta.dense;  // the edit's own is not ours
  }
}

}  // namespace emend
