#include "models/core/intervention.h"

#include <algorithm>

#include "io/error.h"
#include "models/core/model.h"

namespace emend {

size_t first_changed_stage(const Model& model, const Interventions& interventions) {
  size_t first = model.stages().size();
  for (const auto& i : interventions) {
    switch (i.point) {
      case Point::request:
        return 0;
      case Point::input:
      case Point::weight:
      case Point::output:
        first = std::min(first, model.site(i.where).stage);
        break;
      case Point::boundary:
        first = std::min(first, model.stage(i.where));
        break;
      case Point::logits:
        first = std::min(first, model.stages().size() - 1);
        break;
    }
  }
  return first;
}

Batch apply_requests(const Batch& batch, const Interventions& interventions) {
  Batch result = batch;
  for (const auto& i : interventions) {
    if (i.point != Point::request) continue;
    if (!i.rewrite)
      throw Error("models::request", "a request intervention has no rewrite", "set `rewrite`");
    auto changed = i.rewrite(result);
    if (changed.rows.size() != result.rows.size())
      throw Error("models::request", "a request intervention must keep the number of rows",
                  "return one row for each input row");
    if (!i.rows.empty()) {
      if (i.rows.size() != result.rows.size())
        throw Error("models::request",
                    "the scope of an intervention must have one value for each row of the batch",
                    "set `rows` to one value for each row");
      const auto count = [](const Batch& b) { return b.pixels.defined() ? b.pixels.size(0) : 0; };
      if (count(changed) < count(result))
        throw Error("models::request",
                    "a request intervention on some rows must keep the images of the others",
                    "change only the images of rows in scope");
      for (size_t row = 0; row < result.rows.size(); ++row)
        if (!i.rows[row]) changed.rows[row] = result.rows[row];
    }
    // The teacher-forced answer stays at the end. The prompt length is updated.
    for (size_t row = 0; row < result.rows.size(); ++row) {
      const auto& before = result.rows[row];
      if (before.asked < 0) continue;
      auto& after = changed.rows[row];
      const auto answer = static_cast<int64_t>(before.ids.size()) - before.asked;
      after.asked = std::max<int64_t>(0, static_cast<int64_t>(after.ids.size()) - answer);
    }
    result = std::move(changed);
  }
  return result;
}

}  // namespace emend
