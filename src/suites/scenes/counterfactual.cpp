#include <algorithm>

#include "suites/random.h"
#include "suites/scenes/scenes.h"
#include "suites/scenes/words.h"

namespace emend::scenes {
namespace {

// Whether the scene has only combinations of this split and of pretraining.
bool stays_in(const Scene& scene, Split split) {
  return std::all_of(scene.objects.begin(), scene.objects.end(), [&](const Object& o) {
    auto own = object_split(o.shape, o.color, o.size);
    return own == Split::pretrain || own == split;
  });
}

}  // namespace

Record counterfactual(Split split, uint64_t seed, const EditOptions& options) {
  Rng rng(mix(seed ^ (static_cast<uint64_t>(split) + 1) << 60));
  for (;;) {
    auto scene = draw_scene(split, rng);
    auto able = kinds(scene);
    std::erase(able, Kind::caption);
    auto question = draw_question(scene, pick(able, rng), rng);
    std::vector<std::string> targets;
    for (const auto& target : alternatives(question)) {
      if (scene.creature >= 0 && question.kind == Kind::one_hop &&
          target == creatures()[scene.creature].name)
        continue;
      // If the answer is the only change, the changed scene must be possible.
      bool whole = question.kind == Kind::color || question.kind == Kind::shape ||
                   question.kind == Kind::place;
      auto world = scene_with_answer(scene, question, target);
      if (world ? stays_in(*world, split) : !whole) targets.push_back(target);
    }
    if (targets.empty()) continue;
    auto target = pick(targets, rng);
    auto record = make_record(scene, question, target, split, rng(), options);
    record.id = std::string("scenes-") + split_name(split) + "-" + std::to_string(seed);
    return record;
  }
}

Record caption_counterfactual(Split split, uint64_t seed, const EditOptions& options) {
  Rng rng(mix(mix(seed ^ (static_cast<uint64_t>(split) + 1) << 60)));
  const std::vector<Kind> changes = {Kind::color, Kind::shape,      Kind::size,
                                     Kind::place, Kind::background, Kind::who};
  for (;;) {
    auto scene = draw_scene(split, rng);
    auto able = kinds(scene);
    std::erase_if(able, [&](Kind kind) {
      return std::find(changes.begin(), changes.end(), kind) == changes.end();
    });
    auto changed = draw_question(scene, pick(able, rng), rng);
    std::vector<Scene> worlds;
    for (const auto& target : alternatives(changed)) {
      auto world = scene_with_answer(scene, changed, target);
      if (world && stays_in(*world, split)) worlds.push_back(std::move(*world));
    }
    if (worlds.empty()) continue;
    Question caption = {Kind::caption, "caption", 0, phrases("caption").wordings[0],
                        describe(scene)};
    auto record = make_record(scene, caption, describe(pick(worlds, rng)), split, rng(), options);
    record.id = std::string("scenes-caption-") + split_name(split) + "-" + std::to_string(seed);
    return record;
  }
}

}  // namespace emend::scenes
