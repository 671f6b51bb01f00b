#include "heads.h"

#include <ATen/CPUGeneratorImpl.h>
#include <fmt/format.h>

#include "io/error.h"

namespace emend::pretrain {
namespace {

// What each query is trained to encode: first the places, then the shapes.
constexpr int64_t kShapes = 6, kGround = scenes::kPlaces + kShapes, kBeing = kGround + 1;
constexpr int64_t kQueries = kBeing + 1;
constexpr int64_t kNothing = 0;  // class 0 of every head: nothing is there

at::Tensor cross_entropy(const at::Tensor& logits, const std::vector<int64_t>& targets) {
  return at::cross_entropy_loss(logits, at::tensor(targets, at::kLong));
}

}  // namespace

Heads::Heads(int64_t vision_width, int64_t query_width, int64_t queries, int64_t grid,
             uint64_t seed)
    : grid_(grid) {
  if (queries < kQueries || grid % 3 != 0)
    throw Error(
        "pretrain::heads",
        fmt::format("the auxiliary heads cannot use {} queries and a grid of {} patches", queries,
                    grid),
        fmt::format("use at least {} queries and a grid size that is a multiple of 3", kQueries));
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  auto shapes = static_cast<int64_t>(scenes::shapes().size()) + 1;
  auto colors = static_cast<int64_t>(scenes::colors().size()) + 1;
  auto sizes = static_cast<int64_t>(scenes::sizes().size()) + 1;
  auto backgrounds = static_cast<int64_t>(scenes::backgrounds().size());
  auto creatures = static_cast<int64_t>(scenes::creatures().size()) + 1;
  auto add = [&](const std::string& name, int64_t out, int64_t in) {
    parameters_["head." + name] = at::randn({out, in}, generator).mul_(0.02);
  };
  for (auto [from, width] : {std::pair{"patches.", vision_width}, {"queries.", query_width}}) {
    add(std::string(from) + "shape", shapes, width);
    add(std::string(from) + "color", colors, width);
    add(std::string(from) + "size", sizes, width);
    add(std::string(from) + "background", backgrounds, width);
    add(std::string(from) + "creature", creatures, width);
    add(std::string(from) + "stand", 4, width);
  }
  add("shapes.color", colors, query_width);
  add("shapes.size", sizes, query_width);
  add("shapes.place", scenes::kPlaces + 1, query_width);
}

at::Tensor Heads::read(const std::string& name, const at::Tensor& x) const {
  return at::matmul(x, parameters_.at("head." + name).t());
}

Heads::Loss Heads::loss(const at::Tensor& vision, const at::Tensor& queries,
                        const std::vector<const scenes::Scene*>& scenes,
                        HeadTargets targets) const {
  std::vector<int64_t> shape, color, size, background, creature, stand;
  std::vector<int64_t> shape_color, shape_size, shape_place;
  for (auto* scene : scenes) {
    auto base = shape.size();
    for (auto* reading : {&shape, &color, &size}) reading->resize(base + scenes::kPlaces, kNothing);
    auto first = shape_color.size();
    for (auto* reading : {&shape_color, &shape_size, &shape_place})
      reading->resize(first + kShapes, kNothing);
    for (auto& object : scene->objects) {
      shape_color[first + object.shape] = object.color + 1;
      shape_size[first + object.shape] = object.size + 1;
      shape_place[first + object.shape] = object.place + 1;
      shape[base + object.place] = object.shape + 1;
      color[base + object.place] = object.color + 1;
      size[base + object.place] = object.size + 1;
    }
    background.push_back(scene->background);
    creature.push_back(scene->creature + 1);
    stand.push_back(scene->creature < 0 ? kNothing : scene->creature_place + 1);
  }

  auto n = vision.size(0), third = grid_ / 3, width = vision.size(2);
  auto patches = vision.narrow(1, 1, grid_ * grid_);
  auto places = patches.reshape({n, 3, third, 3, third, width}).mean({2, 4});  // (N, 3, 3, Dv)
  places = places.reshape({n * scenes::kPlaces, width});
  auto whole = patches.mean(1);
  auto total = [&](const std::string& from, const at::Tensor& at_places, const at::Tensor& ground,
                   const at::Tensor& being) {
    auto sum = at::zeros({});
    if (targets != HeadTargets::colors)
      sum = sum + cross_entropy(read(from + "shape", at_places), shape) +
            cross_entropy(read(from + "size", at_places), size) +
            cross_entropy(read(from + "creature", being), creature) +
            0.3 * cross_entropy(read(from + "stand", being), stand);
    if (targets != HeadTargets::shapes)
      sum = sum + cross_entropy(read(from + "color", at_places), color) +
            0.3 * cross_entropy(read(from + "background", ground), background);
    return sum;
  };
  Loss loss;
  loss.patches = total("patches.", places, whole, whole);
  auto at_places = queries.narrow(1, 0, scenes::kPlaces).reshape({n * scenes::kPlaces, -1});
  auto at_shapes = queries.narrow(1, scenes::kPlaces, kShapes).reshape({n * kShapes, -1});
  auto ground = queries.select(1, kGround), being = queries.select(1, kBeing);
  loss.queries = total("queries.", at_places, ground, being);
  if (targets != HeadTargets::colors)
    loss.queries = loss.queries + cross_entropy(read("shapes.size", at_shapes), shape_size) +
                   cross_entropy(read("shapes.place", at_shapes), shape_place);
  if (targets == HeadTargets::all)
    loss.queries = loss.queries + cross_entropy(read("shapes.color", at_shapes), shape_color);

  at::NoGradGuard no_grad;
  auto right = [](const at::Tensor& logits, const std::vector<int64_t>& truth) {
    return logits.argmax(-1).eq(at::tensor(truth, at::kLong));
  };
  auto share = [](const at::Tensor& which, const at::Tensor& among) {
    return which.masked_select(among).to(at::kFloat).mean().item<double>();
  };
  auto there = [](const std::vector<int64_t>& truth) {
    return at::tensor(truth, at::kLong).gt(kNothing);
  };
  loss.places_right = share(right(read("queries.shape", at_places), shape) &
                                right(read("queries.color", at_places), color) &
                                right(read("queries.size", at_places), size),
                            there(shape));
  loss.shapes_right = share(right(read("shapes.color", at_shapes), shape_color) &
                                right(read("shapes.size", at_shapes), shape_size) &
                                right(read("shapes.place", at_shapes), shape_place),
                            there(shape_color));
  loss.creatures_right = share(right(read("queries.creature", being), creature), there(creature));
  return loss;
}

}  // namespace emend::pretrain
