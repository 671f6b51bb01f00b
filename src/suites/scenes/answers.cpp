#include <algorithm>

#include "io/error.h"
#include "suites/scenes/scenes.h"
#include "suites/scenes/words.h"

namespace emend::scenes {
namespace {

using Words = std::vector<std::string>;

const Words& names() {
  static const Words all = [] {
    Words list;
    for (const auto& creature : creatures()) list.push_back(creature.name);
    return list;
  }();
  return all;
}

Words without(const Words& values, const std::string& truth) {
  Words rest;
  for (const auto& value : values)
    if (value != truth) rest.push_back(value);
  return rest;
}

const Words& values_of(const std::string& attribute) {
  auto known = attribute_named(attribute);
  if (!known)
    throw Error("suites::scenes", "no creature has a '" + attribute + "'",
                "this is an error in emend; please report it");
  return attribute_values(*known);
}

// The caption with one color, shape or name replaced.
Words other_captions(const std::string& caption) {
  Words all;
  for (const auto* list : {&colors(), &shapes()})
    for (const auto& word : *list) {
      auto at = caption.find(" " + word + " ");
      if (at == std::string::npos) continue;
      for (const auto& other : *list)
        if (caption.find(" " + other + " ") == std::string::npos)
          all.push_back(std::string(caption).replace(at + 1, word.size(), other));
    }
  auto name = caption.substr(0, caption.find(' '));
  if (creature_named(name) >= 0)
    for (const auto& other : without(names(), name))
      all.push_back(other + caption.substr(name.size()));
  return all;
}

Words family_answers(const std::string& name) {
  Words values;
  for (const auto& family : fact_families())
    if (family.name == name)
      for (const auto& fact : family.facts)
        if (std::find(values.begin(), values.end(), fact.second) == values.end())
          values.push_back(fact.second);
  return values;
}

}  // namespace

Words alternatives(const Question& question) {
  const auto& truth = question.answer;
  auto part = split_topic(question.topic);
  switch (question.kind) {
    case Kind::color:
      return without(colors(), truth);
    case Kind::shape:
      return without(shapes(), truth);
    case Kind::size:
      return without(sizes(), truth);
    case Kind::count:
      return without({"0", "1", "2", "3"}, truth);
    case Kind::place:
      return without(part.at(1) == "creature" ? Words{"left", "center", "right"} : places(), truth);
    case Kind::presence:
      return without({"yes", "no"}, truth);
    case Kind::comparison:
      return without(
          part.at(1) == "same colour" ? Words{"yes", "no"} : Words{part.at(2), part.at(3)}, truth);
    case Kind::background:
      return without(backgrounds(), truth);
    case Kind::who:
      return without(names(), truth);
    case Kind::caption:
      return other_captions(truth);
    case Kind::one_hop:
      return without(values_of(part.at(1)), truth);
    case Kind::fact:
      break;
  }
  if (creature_named(part.at(1)) < 0) return without(family_answers(part.at(1)), truth);
  auto values = without(values_of(part.at(2)), truth);
  std::erase(values, part[1]);  // no creature is its own friend
  return values;
}

}  // namespace emend::scenes
