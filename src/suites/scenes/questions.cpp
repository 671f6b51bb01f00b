#include <algorithm>
#include <array>

#include "io/error.h"
#include "suites/random.h"
#include "suites/scenes/scenes.h"
#include "suites/scenes/words.h"

namespace emend::scenes {
namespace {

// A question whose text is not yet built.
struct Asked {
  const Phrases* phrases;
  std::string topic, a, b, answer;
};

uint64_t fingerprint(const Scene& scene) {
  uint64_t hash = mix(scene.jitter ^ (static_cast<uint64_t>(scene.background) << 56));
  for (const auto& o : scene.objects)
    hash = mix(hash ^ static_cast<uint64_t>(((o.shape * 8 + o.color) * 2 + o.size) * 9 + o.place));
  return mix(hash ^ static_cast<uint64_t>(scene.creature * 3 + scene.creature_place));
}

class Asker {
 public:
  Asker(const Scene& scene, std::vector<Asked>& out) : scene_(scene), out_(out) {}

  void ask(Kind kind) {
    switch (kind) {
      case Kind::color:
        return color();
      case Kind::shape:
        return shape();
      case Kind::size:
        return size();
      case Kind::count:
        return add("count", "count", {}, {}, std::to_string(scene_.objects.size()));
      case Kind::place:
        return place();
      case Kind::presence:
        return presence();
      case Kind::comparison:
        return comparison();
      case Kind::background:
        return add("background", "background", {}, {}, backgrounds()[scene_.background]);
      case Kind::who:
        if (scene_.creature >= 0) add("who", "who", {}, {}, creatures()[scene_.creature].name);
        return;
      case Kind::caption:
        return add("caption", "caption", {}, {}, describe(scene_));
      case Kind::one_hop:
        return one_hop();
      case Kind::fact:
        return;
    }
  }

 private:
  void add(std::string_view pattern, std::string topic, std::string a, std::string b,
           std::string answer) {
    out_.push_back(
        {&phrases(pattern), std::move(topic), std::move(a), std::move(b), std::move(answer)});
  }

  static const std::string& shape_of(const Object& o) { return shapes()[o.shape]; }
  static const std::string& color_of(const Object& o) { return colors()[o.color]; }
  uint64_t chance(int salt) const { return mix(fingerprint(scene_) + static_cast<uint64_t>(salt)); }

  bool has_shape(int shape) const {
    return std::any_of(scene_.objects.begin(), scene_.objects.end(),
                       [&](const Object& o) { return o.shape == shape; });
  }

  void color() {
    for (const auto& o : scene_.objects)
      add("colour", "colour/" + shape_of(o), shape_of(o), {}, color_of(o));
  }

  void shape() {
    for (const auto& o : scene_.objects) {
      auto alike = std::count_if(scene_.objects.begin(), scene_.objects.end(),
                                 [&](const Object& other) { return other.color == o.color; });
      if (alike == 1) add("shape", "shape/" + color_of(o), color_of(o), {}, shape_of(o));
      add("shape at", "shape/" + places()[o.place], places()[o.place], {}, shape_of(o));
    }
  }

  void size() {
    for (const auto& o : scene_.objects)
      add("size", "size/" + shape_of(o), shape_of(o), {}, sizes()[o.size]);
  }

  void place() {
    for (const auto& o : scene_.objects)
      add("place", "place/" + shape_of(o), shape_of(o), {}, places()[o.place]);
    if (scene_.creature >= 0)
      add("place", "place/creature", "creature", {}, places()[3 + scene_.creature_place]);
  }

  // One similar object that is absent for each object, so that yes and no are equally frequent.
  void presence() {
    int salt = 0;
    for (const auto& o : scene_.objects) {
      auto name = color_of(o) + " " + shape_of(o);
      add("presence", "presence/" + name, with_article(name), {}, "yes");
      near_miss(o, ++salt);
      add("is", "is/" + shape_of(o) + "/" + color_of(o), shape_of(o), color_of(o), "yes");
      int other = other_color(o, ++salt);
      add("is", "is/" + shape_of(o) + "/" + colors()[other], shape_of(o), colors()[other], "no");
    }
    for (const auto& o : scene_.objects)
      add("presence", "presence/" + shape_of(o), with_article(shape_of(o)), {}, "yes");
    absent_shapes(scene_.objects.empty() ? 1 : static_cast<int>(scene_.objects.size()));
    if (scene_.creature >= 0)
      add("presence", "presence/creature", "a creature", {}, "yes");
    else if (chance(99) % 2 == 0)
      add("presence", "presence/creature", "a creature", {}, "no");
  }

  void near_miss(const Object& o, int salt) {
    int shape = o.shape, color = o.color;
    if (chance(salt) % 2 == 0) {
      color = other_color(o, salt);
    } else {
      std::array<int, 6> options{};
      int count = 0;
      for (int s = 0; s < 6; ++s) {
        bool shown = std::any_of(
            scene_.objects.begin(), scene_.objects.end(),
            [&](const Object& other) { return other.shape == s && other.color == color; });
        if (!shown) options[count++] = s;
      }
      if (count == 0) return;
      shape = options[(chance(salt) >> 8) % count];
    }
    auto name = colors()[color] + " " + shapes()[shape];
    // If two objects have the same similar object, it is used once, and then another one.
    if (asked("presence/" + name) && salt < 64) return near_miss(o, salt + 16);
    if (!asked("presence/" + name))
      add("presence", "presence/" + name, with_article(name), {}, "no");
  }

  bool asked(const std::string& topic) const {
    return std::any_of(out_.begin(), out_.end(),
                       [&](const Asked& one) { return one.topic == topic; });
  }

  int other_color(const Object& o, int salt) const {
    std::array<int, 8> options{};
    int count = 0;
    for (int c = 0; c < 8; ++c)
      if (c != o.color) options[count++] = c;
    return options[(chance(salt) >> 16) % count];
  }

  void absent_shapes(int wanted) {
    int first = static_cast<int>(chance(50) % 6);
    for (int i = 0; i < 6 && wanted > 0; ++i) {
      int shape = (first + i * 5) % 6;
      if (has_shape(shape)) continue;
      add("presence", "presence/" + shapes()[shape], with_article(shapes()[shape]), {}, "no");
      --wanted;
    }
  }

  void comparison() {
    bool alike = false;
    int pairs = 0;
    for (size_t i = 0; i < scene_.objects.size(); ++i)
      for (size_t j = i + 1; j < scene_.objects.size(); ++j) {
        ++pairs;
        // In order of shapes, not of places, so that the order does not reveal the answer.
        const Object *x = &scene_.objects[i], *y = &scene_.objects[j];
        if (x->shape > y->shape) std::swap(x, y);
        compare("larger", *x, *y, x->size - y->size);
        compare("further left", *x, *y, y->place % 3 - x->place % 3);
        compare("higher", *x, *y, y->place / 3 - x->place / 3);
        if (x->color == y->color) {
          same_color(*x, *y, "yes");
          alike = true;
        }
      }
    if (alike || pairs == 0) return;
    size_t skip = chance(78) % scene_.objects.size();
    const Object *x = &scene_.objects[skip == 0 ? 1 : 0],
                 *y = &scene_.objects[scene_.objects.size() == 2 ? (skip == 0 ? 0 : 1)
                                      : skip == 2                ? 1
                                                                 : 2];
    if (x->shape > y->shape) std::swap(x, y);
    same_color(*x, *y, "no");
  }

  void compare(std::string_view how, const Object& x, const Object& y, int difference) {
    if (difference == 0) return;
    add(how, "comparison/" + std::string(how) + "/" + shape_of(x) + "/" + shape_of(y), shape_of(x),
        shape_of(y), shape_of(difference > 0 ? x : y));
  }

  void same_color(const Object& x, const Object& y, const char* answer) {
    add("same colour", "comparison/same colour/" + shape_of(x) + "/" + shape_of(y), shape_of(x),
        shape_of(y), answer);
  }

  void one_hop() {
    if (scene_.creature < 0) return;
    for (int i = 0; i < kAttributes; ++i) {
      auto attribute = static_cast<Attribute>(i);
      auto topic = std::string("one_hop/") + attribute_name(attribute);
      add(topic, topic, {}, {}, attribute_of(creatures()[scene_.creature], attribute));
    }
  }

  const Scene& scene_;
  std::vector<Asked>& out_;
};

Question word_of(const Asked& asked, int wording) {
  return {asked.phrases->kind, asked.topic, wording,
          fill_in(asked.phrases->wordings[wording], asked.a, asked.b), asked.answer};
}

}  // namespace

std::vector<Question> questions(const Scene& scene) {
  std::vector<Asked> asked;
  asked.reserve(64);
  Asker asker(scene, asked);
  for (int kind = 0; kind < kKinds; ++kind) asker.ask(static_cast<Kind>(kind));
  std::vector<Question> all;
  all.reserve(asked.size() * 5);
  for (const auto& one : asked)
    for (size_t w = 0; w < one.phrases->wordings.size(); ++w)
      all.push_back(word_of(one, static_cast<int>(w)));
  return all;
}

std::vector<Kind> kinds(const Scene& scene) {
  std::vector<Kind> all;
  std::vector<Asked> asked;
  Asker asker(scene, asked);
  for (int kind = 0; kind < kKinds; ++kind) {
    asked.clear();
    asker.ask(static_cast<Kind>(kind));
    if (!asked.empty()) all.push_back(static_cast<Kind>(kind));
  }
  return all;
}

Question draw_question(const Scene& scene, Kind kind, Rng& rng) {
  std::vector<Asked> asked;
  Asker(scene, asked).ask(kind);
  if (asked.empty())
    throw Error("suites::scenes",
                std::string("the scene has no question of kind ") + kind_name(kind),
                "use one of kinds(scene)");
  const auto& one = pick(asked, rng);
  return word_of(one, below(rng, one.phrases->wordings.size()));
}

}  // namespace emend::scenes
