#include <algorithm>

#include "suites/scenes/scenes.h"
#include "suites/scenes/words.h"

namespace emend::scenes {
namespace {

using Words = std::vector<std::string>;

int index_of(const Words& words, std::string_view word) {
  auto found = std::find(words.begin(), words.end(), word);
  return found == words.end() ? -1 : static_cast<int>(found - words.begin());
}

const Object* with_shape(const Scene& scene, std::string_view shape) {
  int wanted = index_of(shapes(), shape);
  for (const auto& o : scene.objects)
    if (o.shape == wanted) return &o;
  return nullptr;
}

std::optional<std::string> yes_no(bool yes) { return yes ? "yes" : "no"; }

std::optional<std::string> shape_of(const Scene& scene, const std::string& where) {
  int color = index_of(colors(), where), place = index_of(places(), where);
  const Object* found = nullptr;
  for (const auto& o : scene.objects) {
    if (o.color != color && o.place != place) continue;
    if (found) return {};
    found = &o;
  }
  if (!found) return {};
  return shapes()[found->shape];
}

std::optional<std::string> presence(const Scene& scene, const std::string& what) {
  if (what == "creature") return yes_no(scene.creature >= 0);
  auto space = what.find(' ');
  if (space == std::string::npos) return yes_no(with_shape(scene, what));
  const auto* o = with_shape(scene, what.substr(space + 1));
  return yes_no(o && colors()[o->color] == what.substr(0, space));
}

std::optional<std::string> comparison(const Scene& scene, const Words& part) {
  const auto *x = with_shape(scene, part.at(2)), *y = with_shape(scene, part.at(3));
  if (!x || !y) return {};
  if (part[1] == "same colour") return yes_no(x->color == y->color);
  int difference = part[1] == "larger"         ? x->size - y->size
                   : part[1] == "further left" ? y->place % 3 - x->place % 3
                                               : y->place / 3 - x->place / 3;
  if (difference == 0) return {};
  return difference > 0 ? part[2] : part[3];
}

// Whether shapes are distinct, places are free, and the creature's column is empty.
bool possible(const Scene& scene) {
  for (size_t i = 0; i < scene.objects.size(); ++i) {
    const auto& o = scene.objects[i];
    if (scene.creature >= 0 && o.place % 3 == scene.creature_place) return false;
    for (size_t j = 0; j < i; ++j)
      if (o.shape == scene.objects[j].shape || o.place == scene.objects[j].place) return false;
  }
  return true;
}

// Changes the scene so that `target` is correct; false if this is not exactly one change.
bool change(Scene& scene, const Question& question, const std::string& target) {
  auto part = split_topic(question.topic);
  auto subject = [&](size_t i) {
    return const_cast<Object*>(with_shape(scene, part.size() > i ? part[i] : ""));
  };
  auto set = [&](int& field, const Words& words) {
    field = index_of(words, target);
    return field >= 0;
  };
  switch (question.kind) {
    case Kind::color: {
      auto* o = subject(1);
      return o && set(o->color, colors());
    }
    case Kind::shape: {
      auto now = shape_of(scene, part.at(1));
      auto* o = now ? const_cast<Object*>(with_shape(scene, *now)) : nullptr;
      return o && set(o->shape, shapes());
    }
    case Kind::size: {
      auto* o = subject(1);
      return o && set(o->size, sizes());
    }
    case Kind::place: {
      auto* o = subject(1);
      if (o) return set(o->place, places());
      if (!set(scene.creature_place, places())) return false;
      scene.creature_place -= 3;
      return scene.creature >= 0 && scene.creature_place >= 0 && scene.creature_place < 3;
    }
    case Kind::presence: {  // only a yes to "is the star red?" determines its color
      auto* o = part[0] == "is" && target == "yes" ? subject(1) : nullptr;
      if (!o) return false;
      o->color = index_of(colors(), part.at(2));
      return true;
    }
    case Kind::comparison: {
      auto *x = subject(2), *y = subject(3);
      if (part.at(1) != "larger" || !x || !y) return false;
      (target == part[2] ? x : y)->size = 1;
      (target == part[2] ? y : x)->size = 0;
      return target == part[2] || target == part[3];
    }
    case Kind::background:
      return set(scene.background, backgrounds());
    case Kind::who:
      scene.creature = creature_named(target);
      return scene.creature >= 0;
    case Kind::count:
    case Kind::caption:
    case Kind::one_hop:
    case Kind::fact:
      return false;
  }
  return false;
}

}  // namespace

Words split_topic(const std::string& topic) {
  Words part;
  for (size_t from = 0; from <= topic.size();) {
    auto to = std::min(topic.find('/', from), topic.size());
    part.push_back(topic.substr(from, to - from));
    from = to + 1;
  }
  return part;
}

std::optional<std::string> truth(const Scene& scene, const std::string& topic) {
  auto part = split_topic(topic);
  if (topic == "count") return std::to_string(scene.objects.size());
  if (topic == "background") return backgrounds()[scene.background];
  bool creature = scene.creature >= 0;
  if (topic == "who")
    return creature ? std::optional(creatures()[scene.creature].name) : std::nullopt;
  if (topic == "place/creature")
    return creature ? std::optional(places()[3 + scene.creature_place]) : std::nullopt;
  if (part.size() == 4 && part[0] == "comparison") return comparison(scene, part);
  if (part.size() == 3 && part[0] == "is") {
    const auto* o = with_shape(scene, part[1]);
    return o ? yes_no(colors()[o->color] == part[2]) : std::nullopt;
  }
  if (part.size() != 2) return {};
  if (part[0] == "shape") return shape_of(scene, part[1]);
  if (part[0] == "presence") return presence(scene, part[1]);
  if (part[0] == "one_hop") {
    auto attribute = attribute_named(part[1]);
    if (!creature || !attribute) return {};
    return attribute_of(creatures()[scene.creature], *attribute);
  }
  const auto* o = with_shape(scene, part[1]);
  if (!o) return {};
  if (part[0] == "colour") return colors()[o->color];
  if (part[0] == "size") return sizes()[o->size];
  if (part[0] == "place") return places()[o->place];
  return {};
}

std::optional<Scene> scene_with_answer(const Scene& scene, const Question& question,
                                       const std::string& target) {
  if (question.kind == Kind::caption) return scene_with_caption(scene, target);
  Scene other = scene;
  if (!change(other, question, target) || !possible(other)) return {};
  std::sort(other.objects.begin(), other.objects.end(),
            [](const Object& a, const Object& b) { return a.place < b.place; });
  return other;
}

}  // namespace emend::scenes
