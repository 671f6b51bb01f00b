#include <fmt/format.h>

#include <algorithm>

#include "io/error.h"
#include "suites/random.h"
#include "suites/scenes/scenes.h"
#include "suites/scenes/words.h"

namespace emend::scenes {
namespace {

// A random color and size for the shape that `split` allows.
std::pair<int, int> look_for(int shape, Split split, Rng& rng) {
  std::vector<std::pair<int, int>> options;
  for (int c = 0; c < 8; ++c)
    for (int size = 0; size < 2; ++size)
      if (object_split(shape, c, size) == split) options.emplace_back(c, size);
  return pick(options, rng);
}

int background_for(int creature, Split split, Rng& rng) {
  std::vector<int> options;
  for (int b = 0; b < 6; ++b)
    if (creature_split(creature, b) == split) options.push_back(b);
  return pick(options, rng);
}

// A random free place; with a creature, outside of its column.
int free_place(const Scene& scene, Rng& rng) {
  std::vector<int> options;
  for (int p = 0; p < kPlaces; ++p) {
    bool taken = scene.creature >= 0 && p % 3 == scene.creature_place;
    for (const auto& o : scene.objects) taken = taken || o.place == p;
    if (!taken) options.push_back(p);
  }
  return pick(options, rng);
}

void sort_by_place(Scene& scene) {
  std::sort(scene.objects.begin(), scene.objects.end(),
            [](const Object& a, const Object& b) { return a.place < b.place; });
}

// Gives two objects the same color, because this is too rare by chance (1 in 8) for a balanced
// "same color?".
void share_a_color(Scene& scene, Rng& rng) {
  std::vector<std::pair<size_t, int>> options;  // the object that changes and its new color
  for (size_t i = 0; i < scene.objects.size(); ++i)
    for (size_t j = 0; j < scene.objects.size(); ++j) {
      int color = scene.objects[j].color;
      if (i == j || color == scene.objects[i].color) continue;
      const auto& o = scene.objects[i];
      if (object_split(o.shape, color, o.size) == Split::pretrain &&
          object_split(o.shape, o.color, o.size) == Split::pretrain)
        options.emplace_back(i, color);
    }
  if (options.empty()) return;
  auto [object, color] = pick(options, rng);
  scene.objects[object].color = color;
}

}  // namespace

Split object_split(int shape, int color, int size) {
  // Four of the eight colors of each shape are held out in one size, two for each split.
  int step = (color - shape * 3 % 8 + 8) % 8;
  int held = step == 1 || step == 4 ? shape % 2 : 1 - shape % 2;
  if ((step == 1 || step == 6) && size == held) return Split::eval;
  if ((step == 4 || step == 2) && size == held) return Split::train;
  return Split::pretrain;
}

Split creature_split(int creature, int background) {
  int held = (creature + creature / 8) % 6;
  if (background == held) return Split::eval;
  if (background == (held + 2 + creature % 3) % 6) return Split::train;
  return Split::pretrain;
}

Scene draw_scene(Split split, Rng& rng) {
  Scene scene;
  if (below(rng, 3) == 0) {
    scene.creature = below(rng, creatures().size());
    scene.creature_place = below(rng, 3);
    scene.background = background_for(scene.creature, split, rng);
  } else {
    scene.background = below(rng, backgrounds().size());
  }
  int dice = below(rng, 20);
  int count = scene.creature >= 0 ? dice / 10 : dice < 5 ? 1 : dice < 12 ? 2 : 3;
  std::vector<int> order = {0, 1, 2, 3, 4, 5};
  shuffle(order, rng);
  for (int i = 0; i < count; ++i) {
    // Without a creature, the first object makes the scene belong to its split.
    bool own = scene.creature < 0 ? i == 0 || below(rng, 3) == 0 : below(rng, 2) == 0;
    int place = free_place(scene, rng);
    auto [color, size] = look_for(order[i], own ? split : Split::pretrain, rng);
    scene.objects.push_back({order[i], color, size, place});
  }
  if (count > 1 && below(rng, 3) == 0) share_a_color(scene, rng);
  sort_by_place(scene);
  scene.jitter = rng();
  return scene;
}

namespace {

// What a question of a topic keeps of a scene: its answer depends on it.
struct Kept {
  bool background, places;
};

Kept kept_by(const std::string& topic) {
  auto about = [&](std::string_view prefix) { return topic.starts_with(prefix); };
  // Places in the question or the answer are kept. They do not matter for "presence" and colors.
  return {about("background") || about("caption"),
          about("place/") || about("caption") || about("comparison/further left") ||
              about("comparison/higher") || (about("shape/") && [&] {
                auto named = topic.substr(6);
                return std::find(places().begin(), places().end(), named) != places().end();
              }())};
}

}  // namespace

Scene variant(const Scene& scene, const std::string& topic, Split split, Rng& rng) {
  const auto kept = kept_by(topic);
  Scene other = scene;
  other.jitter = rng();

  if (!kept.background)
    other.background = scene.creature >= 0 ? background_for(scene.creature, split, rng)
                                           : below(rng, backgrounds().size());

  if (!kept.places) {
    auto objects = other.objects;
    other.objects.clear();
    if (other.creature >= 0) other.creature_place = below(rng, 3);
    for (auto& o : objects) {
      o.place = free_place(other, rng);
      other.objects.push_back(o);
    }
    sort_by_place(other);
  }
  return other;
}

std::string fact_of(const Scene* scene, const std::string& topic) {
  if (!scene) return topic + "|text";
  const auto kept = kept_by(topic);
  std::vector<std::string> parts;
  for (const auto& o : scene->objects)
    parts.push_back(fmt::format("{}.{}.{}{}", o.shape, o.color, o.size,
                                kept.places ? fmt::format(".{}", o.place) : std::string()));
  std::sort(parts.begin(), parts.end());
  if (scene->creature >= 0)
    parts.push_back(
        fmt::format("creature {}{}", scene->creature,
                    kept.places ? fmt::format(".{}", scene->creature_place) : std::string()));
  if (kept.background) parts.push_back(fmt::format("background {}", scene->background));
  return fmt::format("{}|{}", topic, fmt::join(parts, " "));
}

}  // namespace emend::scenes
