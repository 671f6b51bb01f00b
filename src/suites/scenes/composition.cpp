#include <algorithm>

#include "suites/random.h"
#include "suites/scenes/scenes.h"
#include "suites/scenes/words.h"

namespace emend::scenes {
namespace {

// What both edits of a pair are about.
struct Pair {
  Scene scene;     // with the creature that gets another name
  int named;       // the creature whose name it gets
  Attribute fact;  // of that creature, which gets another value
  std::string value;
  uint64_t seed;  // of the probes
};

// Both edits of a pair draw the same.
Pair draw_pair(Split split, uint64_t seed) {
  Rng rng(mix(mix(mix(seed ^ (static_cast<uint64_t>(split) + 1) << 60))));
  Pair pair;
  do pair.scene = draw_scene(split, rng);
  while (pair.scene.creature < 0);
  const auto count = creatures().size();
  pair.named = static_cast<int>(
      (static_cast<size_t>(pair.scene.creature) + 1 + rng() % (count - 1)) % count);
  pair.fact = static_cast<Attribute>(rng() % kAttributes);
  const auto& seen = creatures()[static_cast<size_t>(pair.scene.creature)];
  const auto& named = creatures()[static_cast<size_t>(pair.named)];
  std::vector<std::string> values;
  for (const auto& value : attribute_values(pair.fact))
    if (value != attribute_of(seen, pair.fact) && value != attribute_of(named, pair.fact) &&
        value != seen.name && value != named.name)
      values.push_back(value);
  pair.value = pick(values, rng);
  pair.seed = rng();
  return pair;
}

// A question with one of the wordings of the pattern.
Question question_of(std::string_view pattern, const std::string& topic, const std::string& name,
                     const std::string& answer, Rng& rng) {
  const auto& from = phrases(pattern);
  const auto wording = rng() % from.wordings.size();
  return {from.kind, topic, static_cast<int>(wording), fill_in(from.wordings[wording], name),
          answer};
}

}  // namespace

Record composition(Split split, uint64_t seed, bool of_picture, const EditOptions& options) {
  const auto pair = draw_pair(split, seed);
  Rng rng(mix(pair.seed + of_picture));
  auto own = options;
  own.portability = 0;
  const auto& named = creatures()[static_cast<size_t>(pair.named)];
  if (of_picture) {
    const auto& seen = creatures()[static_cast<size_t>(pair.scene.creature)];
    return make_record(pair.scene, question_of("who", "who", {}, seen.name, rng), named.name, split,
                       rng(), own);
  }
  const std::string fact = attribute_name(pair.fact);
  auto record = make_record(pair.scene,
                            question_of("fact/" + fact, "fact/" + named.name + "/" + fact,
                                        named.name, attribute_of(named, pair.fact), rng),
                            pair.value, split, rng(), own);
  auto wordings = phrases("one_hop/" + fact).wordings;
  shuffle(wordings, rng);
  const auto count =
      std::min(wordings.size(), static_cast<size_t>(std::max(options.portability, 0)));
  const Picture picture{{}, std::make_shared<const Image>(render(pair.scene))};
  for (size_t i = 0; i < count; ++i) {
    record.probes.push_back({Group::portability, picture, wordings[i], pair.value});
    record.probes.back().fact = fact_of(&pair.scene, "one_hop/" + fact);
  }
  return record;
}

}  // namespace emend::scenes
