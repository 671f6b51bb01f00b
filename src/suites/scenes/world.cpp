#include <algorithm>

#include "suites/random.h"
#include "suites/scenes/scenes.h"
#include "suites/scenes/words.h"

namespace emend::scenes {
namespace {

using Words = std::vector<std::string>;

const Words kNames = {"Zorbi",  "Mubbo",  "Kelfi",  "Drimma", "Vunno",  "Taliq",  "Pexum",
                      "Gwarli", "Fozzim", "Nublix", "Quimba", "Hobrin", "Jelvo",  "Plonka",
                      "Ruzzel", "Skimmo", "Tunkar", "Wibbet", "Yarvi",  "Bleffo", "Crundo",
                      "Dovvi",  "Ekkum",  "Fligga", "Grobbo", "Hexil",  "Inzo",   "Jambro",
                      "Krovva", "Lopsi",  "Mozzu",  "Nargi",  "Oddlim", "Pimmox", "Quelno",
                      "Raffim", "Snorbo", "Trebbi", "Ulvim",  "Vasko",  "Wompi",  "Xandu",
                      "Yoffle", "Zemka",  "Bomrik", "Chivvo", "Dweelo", "Fenzo"};

const Words kHomes = {"cave",  "forest", "lighthouse", "windmill",  "castle", "volcano",
                      "swamp", "island", "treehouse",  "submarine", "attic",  "barn"};
const Words kFoods = {"honey", "cheese",  "mushrooms", "berries",  "noodles", "carrots",
                      "nuts",  "seaweed", "pancakes",  "pumpkins", "cookies", "soup"};
const Words kHobbies = {"painting", "fishing", "dancing", "chess",    "gardening", "singing",
                        "climbing", "baking",  "reading", "juggling", "skating",   "sailing"};

// Repeats every value equally often, in an order that is independent of the appearance.
Words spread(const Words& values, size_t count, uint64_t seed) {
  Words all;
  for (size_t i = 0; i < count; ++i) all.push_back(values[i % values.size()]);
  Rng rng(seed);
  shuffle(all, rng);
  return all;
}

std::vector<Creature> make_creatures() {
  int count = static_cast<int>(kNames.size());
  auto homes = spread(kHomes, count, 11);
  auto foods = spread(kFoods, count, 12);
  auto hobbies = spread(kHobbies, count, 13);
  // One long chain of friends, so that no creature is its own friend.
  std::vector<int> chain(count);
  for (int i = 0; i < count; ++i) chain[i] = i;
  Rng rng(14);
  shuffle(chain, rng);

  std::vector<Creature> all(count);
  for (int i = 0; i < count; ++i) {
    // Every body in every color once. Ears and pattern are shifted, so that creatures with the same
    // body or color differ in ears or pattern, too.
    int body = i / 8, color = i % 8;
    all[i] = {kNames[i],          body,     color,    (body + color) % 6, (body * 2 + color) % 3,
              (body + color) % 4, homes[i], foods[i], hobbies[i],         0};
  }
  for (int i = 0; i < count; ++i) all[chain[i]].friend_of = chain[(i + 1) % count];
  return all;
}

}  // namespace

const Words& shapes() {
  static const Words words = {"circle", "square", "triangle", "star", "heart", "moon"};
  return words;
}

const Words& colors() {
  static const Words words = {"red",  "orange", "yellow", "green",
                              "blue", "purple", "white",  "black"};
  return words;
}

const Words& sizes() {
  static const Words words = {"small", "large"};
  return words;
}

const Words& places() {
  static const Words words = {"top left", "top",         "top right", "left",        "center",
                              "right",    "bottom left", "bottom",    "bottom right"};
  return words;
}

const Words& backgrounds() {
  static const Words words = {"meadow", "desert", "snow", "night", "sea", "sunset"};
  return words;
}

const std::vector<Creature>& creatures() {
  static const std::vector<Creature> all = make_creatures();
  return all;
}

const char* attribute_name(Attribute attribute) {
  switch (attribute) {
    case Attribute::home:
      return "home";
    case Attribute::food:
      return "food";
    case Attribute::hobby:
      return "hobby";
    case Attribute::friend_of:
      return "friend";
  }
  return "";
}

const Words& attribute_values(Attribute attribute) {
  switch (attribute) {
    case Attribute::home:
      return kHomes;
    case Attribute::food:
      return kFoods;
    case Attribute::hobby:
      return kHobbies;
    case Attribute::friend_of:
      break;
  }
  return kNames;
}

const std::string& attribute_of(const Creature& creature, Attribute attribute) {
  switch (attribute) {
    case Attribute::home:
      return creature.home;
    case Attribute::food:
      return creature.food;
    case Attribute::hobby:
      return creature.hobby;
    case Attribute::friend_of:
      break;
  }
  return creatures()[creature.friend_of].name;
}

std::optional<Attribute> attribute_named(std::string_view name) {
  for (int i = 0; i < kAttributes; ++i)
    if (name == attribute_name(static_cast<Attribute>(i))) return static_cast<Attribute>(i);
  return {};
}

int creature_named(std::string_view name) {
  auto found = std::find(kNames.begin(), kNames.end(), name);
  return found == kNames.end() ? -1 : static_cast<int>(found - kNames.begin());
}

const char* kind_name(Kind kind) {
  static constexpr const char* names[kKinds] = {"colour", "shape",    "size",       "count",
                                                "place",  "presence", "comparison", "background",
                                                "who",    "caption",  "one_hop",    "fact"};
  return names[static_cast<int>(kind)];
}

}  // namespace emend::scenes
