#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "suites/scenes/scenes.h"

// What the files of Scenes share among themselves: attributes, the general facts, phrases.
namespace emend::scenes {

// What text tells of a creature, in this order.
enum class Attribute { home, food, hobby, friend_of };
inline constexpr int kAttributes = 4;
const char* attribute_name(Attribute attribute);  // home, food, hobby, friend
const std::vector<std::string>& attribute_values(Attribute attribute);
const std::string& attribute_of(const Creature& creature, Attribute attribute);
std::optional<Attribute> attribute_named(std::string_view name);
int creature_named(std::string_view name);  // -1: no such creature

// A topic between its slashes.
std::vector<std::string> split_topic(const std::string& topic);

// General facts come in families that share their wordings.
struct FactFamily {
  std::string name;
  std::vector<std::string> wordings;                       // each with one {}
  std::vector<std::pair<std::string, std::string>> facts;  // what is asked of, the answer
};
const std::vector<FactFamily>& fact_families();

// The wordings of a topic's pattern, with {a} and {b} for what is asked of.
struct Phrases {
  Kind kind;
  std::string_view pattern;
  std::vector<std::string> wordings;
};
const Phrases& phrases(std::string_view pattern);
std::string fill_in(const std::string& wording, std::string_view a, std::string_view b = {});
std::string with_article(std::string_view noun);  // a star, an orange star

// The scene's caption: all that there is, and where.
std::string describe(const Scene& scene);
// The world next to this, by one change, of which the caption tells.
std::optional<Scene> world_described(const Scene& scene, const std::string& caption);
const char* split_name(Split split);

// Which split a wording of a fact belongs to; `fact` counts creatures' facts, then the general
// ones.
Split wording_split(int fact, int wording, int wordings);

}  // namespace emend::scenes
