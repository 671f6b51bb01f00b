#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "suites/scenes/scenes.h"

// Internal declarations of Scenes: attributes, general facts, phrases.
namespace emend::scenes {

// The attributes of a creature that only texts have, in this order.
enum class Attribute { home, food, hobby, friend_of };
inline constexpr int kAttributes = 4;
const char* attribute_name(Attribute attribute);  // home, food, hobby, friend
const std::vector<std::string>& attribute_values(Attribute attribute);
const std::string& attribute_of(const Creature& creature, Attribute attribute);
std::optional<Attribute> attribute_named(std::string_view name);
int creature_named(std::string_view name);  // -1: no such creature

// The parts of a topic between slashes.
std::vector<std::string> split_topic(const std::string& topic);

// General facts are grouped in families with common wordings.
struct FactFamily {
  std::string name;
  std::vector<std::string> wordings;                       // each with one {}
  std::vector<std::pair<std::string, std::string>> facts;  // subject, answer
};
const std::vector<FactFamily>& fact_families();

// The wordings of a topic's pattern. {a} and {b} stand for the subjects.
struct Phrases {
  Kind kind;
  std::string_view pattern;
  std::vector<std::string> wordings;
};
const Phrases& phrases(std::string_view pattern);
std::string fill_in(const std::string& wording, std::string_view a, std::string_view b = {});
std::string with_article(std::string_view noun);  // a star, an orange star

// The caption of the scene: all objects with their places.
std::string describe(const Scene& scene);
// The scene that differs in one thing and has this caption.
std::optional<Scene> scene_with_caption(const Scene& scene, const std::string& caption);
const char* split_name(Split split);

// The split of a wording of a fact; `fact` counts the facts of creatures, then the general facts.
Split wording_split(int fact, int wording, int wordings);

}  // namespace emend::scenes
