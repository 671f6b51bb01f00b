#include <array>

#include "suites/scenes/words.h"

namespace emend::scenes {

std::string describe(const Scene& scene) {
  static const std::array<const char*, 6> where = {
      " in the meadow", " in the desert", " in the snow", " at night", " at the sea", " at sunset"};
  std::vector<std::string> parts;
  if (scene.creature >= 0)
    parts.push_back(creatures()[scene.creature].name + " at the " +
                    places()[3 + scene.creature_place]);
  for (const auto& o : scene.objects)
    parts.push_back("a " + sizes()[o.size] + " " + colors()[o.color] + " " + shapes()[o.shape] +
                    " at the " + places()[o.place]);
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += i + 1 == parts.size() ? " and " : ", ";
    text += parts[i];
  }
  return text + where[scene.background];
}

std::optional<Scene> scene_with_caption(const Scene& scene, const std::string& caption) {
  for (const auto& question : questions(scene)) {
    // Use only topics whose answer changes with one attribute. One wording of each is enough.
    bool changes = question.kind == Kind::color || question.kind == Kind::shape ||
                   question.kind == Kind::size || question.kind == Kind::place ||
                   question.kind == Kind::background || question.kind == Kind::who;
    if (!changes || question.wording != 0) continue;
    for (const auto& target : alternatives(question)) {
      auto world = scene_with_answer(scene, question, target);
      if (world && describe(*world) == caption) return world;
    }
  }
  return {};
}

}  // namespace emend::scenes
