#include "models/core/intervention.h"

#include <algorithm>

#include "io/error.h"
#include "models/core/model.h"

namespace emend {

Intervention Intervention::request(Rewrite rewrite) {
  return {.point = Point::request, .where = {}, .rewrite = std::move(rewrite)};
}
Intervention Intervention::weight(std::string site, WeightDelta delta) {
  return {.point = Point::weight, .where = std::move(site), .delta = std::move(delta)};
}
Intervention Intervention::input(std::string site, Transform transform) {
  return {.point = Point::input, .where = std::move(site), .transform = std::move(transform)};
}
Intervention Intervention::output(std::string site, Transform transform) {
  return {.point = Point::output, .where = std::move(site), .transform = std::move(transform)};
}
Intervention Intervention::layer(std::string site, LayerMix mix) {
  return {.point = Point::output, .where = std::move(site), .layer_mix = std::move(mix)};
}
Intervention Intervention::boundary(std::string stage, Transform transform) {
  return {.point = Point::boundary, .where = std::move(stage), .transform = std::move(transform)};
}
Intervention Intervention::boundary_mix(std::string stage, Mix mix) {
  return {.point = Point::boundary, .where = std::move(stage), .mix = std::move(mix)};
}
Intervention Intervention::logits(Transform transform) {
  return {.point = Point::logits, .where = {}, .transform = std::move(transform)};
}
Intervention Intervention::logits_mix(Mix mix) {
  return {.point = Point::logits, .where = {}, .mix = std::move(mix)};
}
Intervention Intervention::on_rows(std::vector<bool> scope) const {
  auto scoped = *this;
  scoped.rows = std::move(scope);
  return scoped;
}

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
      if (changed.pixels.size() < result.pixels.size())
        throw Error("models::request",
                    "a request intervention on some rows must keep the images of the others",
                    "change only the images of rows in scope");
      for (size_t row = 0; row < result.rows.size(); ++row)
        if (!i.rows[row]) changed.rows[row] = result.rows[row];
    }
    // The teacher-forced answer stays at the end. The prompt length is updated.
    for (size_t row = 0; row < result.rows.size(); ++row) {
      const auto& before = result.rows[row];
      if (before.prompt_length < 0) continue;
      auto& after = changed.rows[row];
      const auto answer = static_cast<int64_t>(before.ids.size()) - before.prompt_length;
      after.prompt_length = std::max<int64_t>(0, static_cast<int64_t>(after.ids.size()) - answer);
    }
    result = std::move(changed);
  }
  return result;
}

}  // namespace emend
