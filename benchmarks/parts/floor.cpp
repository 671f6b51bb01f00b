#include "floor.h"

#include <algorithm>
#include <set>
#include <string>

namespace emend::bench {
namespace {

// A matrix multiplication of a stage: a linear layer, or the two products of attention (without a
// name).
struct Step {
  std::string site;
  double cost;
  int depth;               // steps of equal depth are independent
  bool from_side = false;  // the input does not depend on edits of this module (picture features)
};

double linear(int64_t rows, int64_t in, int64_t out) { return 2.0 * rows * in * out; }
double attention(int64_t queries, int64_t keys, int64_t width) {
  return 4.0 * queries * keys * width;
}

class Shapes {
 public:
  Shapes(const Blip2Config& config, const Model& model) : config_(config), model_(model) {}

  // The steps of a stage, for one picture or one row.
  std::vector<Step> steps(size_t stage, const RowShape& row) const {
    const auto& s = model_.stages()[stage];
    const auto kind = s.name.substr(0, s.name.find('.', s.name.find('.') + 1));
    const auto& v = config_.vision;
    const auto& q = config_.qformer;
    const auto& t = config_.text;
    const int64_t patches = v.grid() * v.grid(), seen = 1 + patches, queries = config_.queries;
    if (kind == "vision_tower.embed")
      return {{"", linear(patches, 3 * v.patch_size * v.patch_size, v.hidden), 0}};
    if (kind == "vision_tower.block")
      return {{"qkv", linear(seen, v.hidden, 3 * v.hidden), 0},
              {"", attention(seen, seen, v.hidden), 1},
              {"projection", linear(seen, v.hidden, v.hidden), 2},
              {"fc1", linear(seen, v.hidden, v.intermediate), 3},
              {"fc2", linear(seen, v.intermediate, v.hidden), 4}};
    if (kind == "connector.layer") {
      const double square = linear(queries, q.hidden, q.hidden);
      std::vector<Step> steps{{"attention.attention.query", square, 0},
                              {"attention.attention.key", square, 0},
                              {"attention.attention.value", square, 0},
                              {"", attention(queries, queries, q.hidden), 1},
                              {"attention.output.dense", square, 2}};
      const auto index = std::stoll(s.name.substr(kind.size() + 1));
      if (index % q.cross_attention_frequency == 0) {
        const double look = linear(seen, v.hidden, q.hidden);
        steps.insert(steps.end(), {{"crossattention.attention.query", square, 3},
                                   {"crossattention.attention.key", look, 3, true},
                                   {"crossattention.attention.value", look, 3, true},
                                   {"", attention(queries, seen, q.hidden), 4},
                                   {"crossattention.output.dense", square, 5}});
      }
      const double wide = linear(queries, q.hidden, q.intermediate);
      steps.push_back({"intermediate_query.dense", wide, 6});
      steps.push_back({"output_query.dense", wide, 7});
      return steps;
    }
    if (kind == "connector.project")
      return {{"language_projection", linear(queries, q.hidden, t.hidden), 0}};
    if (kind == "language.block") {
      const double square = linear(row.length, t.hidden, t.hidden);
      const double wide = linear(row.length, t.hidden, t.ffn);
      return {{"q_proj", square, 0},   {"k_proj", square, 0},
              {"v_proj", square, 0},   {"", attention(row.length, row.length, t.hidden), 1},
              {"out_proj", square, 2}, {"fc1", wide, 3},
              {"fc2", wide, 4}};
    }
    if (kind == "language.head")
      return {{"lm_head", linear(row.wanted, t.embedding_width, t.vocabulary), 0}};
    return {};
  }

  double forward(size_t stage, const RowShape& row) const {
    double sum = 0;
    for (const auto& step : steps(stage, row)) sum += step.cost;
    return sum;
  }

  // All stages from `first` to the last one, for these rows and `pictures`.
  double forward_from(size_t first, const std::vector<RowShape>& rows, int64_t pictures) const {
    double sum = 0;
    for (size_t s = first; s < model_.stages().size(); ++s) {
      if (model_.stages()[s].module != Module::language) {
        sum += static_cast<double>(pictures) * forward(s, {});
        continue;
      }
      for (const auto& row : rows) sum += forward(s, row);
    }
    return sum;
  }

 private:
  const Blip2Config& config_;
  const Model& model_;
};

// Whether the full name of a site is that of a step.
bool is_named(const std::string& site, const std::string& step) {
  const auto end = "." + step;
  return site == step ||
         (site.size() > end.size() && site.compare(site.size() - end.size(), end.size(), end) == 0);
}

}  // namespace

Floor floor_of(const Blip2Config& config, const Model& model, const std::vector<RowShape>& rows,
               int64_t pictures, const std::vector<Site>& edited, int64_t rank, int64_t steps) {
  const Shapes shapes(config, model);
  const auto& stages = model.stages();
  size_t first = stages.size();
  for (const auto& site : edited) first = std::min(first, site.stage);

  Floor floor;
  floor.whole = shapes.forward_from(0, rows, pictures);
  for (size_t s = 0; s < stages.size() && stages[s].module == Module::vision_tower; ++s)
    floor.vision += static_cast<double>(pictures) * shapes.forward(s, {});

  auto reached = rows;
  if (stages[first].module != Module::language)
    reached.erase(std::remove_if(reached.begin(), reached.end(),
                                 [](const RowShape& row) { return !row.image; }),
                  reached.end());
  floor.after = shapes.forward_from(first, reached, pictures);

  double backward = 0, beside = 0;
  for (size_t s = first; s < stages.size(); ++s) {
    const auto list = shapes.steps(s, rows.front());
    int lowest = s > first ? -1 : 1000;  // gradients flow to steps behind this depth
    for (const auto& step : list)
      for (const auto& site : edited)
        if (site.stage == s && !step.site.empty() && is_named(site.name, step.site)) {
          lowest = std::min(lowest, step.depth);
          // A low-rank change: x down^T up^T forward, and the same twice for both factors.
          const double narrow = step.cost * rank * (site.in + site.out) / (site.in * site.out);
          backward += rank ? 2 * narrow : step.cost;
          beside += narrow;
          break;
        }
    for (const auto& step : list)
      if (step.depth > lowest && !step.from_side)
        backward += step.site.empty() ? 2 * step.cost : step.cost;
  }
  const double forward = shapes.forward_from(first, {rows.front()}, 1) + beside;
  floor.tuning = static_cast<double>(steps - 1) * forward + static_cast<double>(steps) * backward;
  return floor;
}

}  // namespace emend::bench
