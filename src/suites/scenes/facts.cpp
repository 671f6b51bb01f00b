#include "suites/scenes/words.h"

namespace emend::scenes {

const std::vector<FactFamily>& fact_families() {
  static const std::vector<FactFamily> all = {
      {"color",
       {"What color is {a}?", "What is the color of {a}?", "Which color does {a} have?",
        "What color does {a} have?"},
       {{"a banana", "yellow"},
        {"a lemon", "yellow"},
        {"a tomato", "red"},
        {"a cherry", "red"},
        {"a fire truck", "red"},
        {"grass", "green"},
        {"a cucumber", "green"},
        {"a frog", "green"},
        {"the sky", "blue"},
        {"a whale", "blue"},
        {"an eggplant", "purple"},
        {"milk", "white"},
        {"a swan", "white"},
        {"coal", "black"},
        {"a raven", "black"},
        {"a traffic cone", "orange"}}},
      {"opposite",
       {"What is the opposite of {a}?", "Which word is the opposite of {a}?",
        "What word means the opposite of {a}?", "Can you name the opposite of {a}?"},
       {{"hot", "cold"},
        {"up", "down"},
        {"fast", "slow"},
        {"wet", "dry"},
        {"hard", "soft"},
        {"old", "young"},
        {"rich", "poor"},
        {"full", "empty"},
        {"open", "closed"},
        {"early", "late"},
        {"happy", "sad"},
        {"day", "night"},
        {"thick", "thin"},
        {"loud", "quiet"},
        {"high", "low"},
        {"clean", "dirty"}}},
      {"legs",
       {"How many legs does {a} have?", "What is the number of legs of {a}?",
        "On how many legs does {a} walk?", "How many legs are there on {a}?"},
       {{"a spider", "8"},
        {"a scorpion", "8"},
        {"an ant", "6"},
        {"a beetle", "6"},
        {"a dog", "4"},
        {"a horse", "4"},
        {"a table", "4"},
        {"a chicken", "2"},
        {"an ostrich", "2"},
        {"a snake", "0"},
        {"a worm", "0"},
        {"a tripod", "3"}}},
      {"sound",
       {"What sound does {a} make?", "Which sound does {a} make?", "What does {a} say?",
        "What sound comes from {a}?"},
       {{"a puppy", "woof"},
        {"a cat", "meow"},
        {"a cow", "moo"},
        {"a duck", "quack"},
        {"a pig", "oink"},
        {"a sheep", "baa"},
        {"a bee", "buzz"},
        {"a lion", "roar"},
        {"an owl", "hoot"},
        {"a clock", "tick"}}},
      {"young",
       {"What is a young {a} called?", "What is the name for a young {a}?",
        "What do you call a young {a}?", "Which word means a young {a}?"},
       {{"dog", "puppy"},
        {"cat", "kitten"},
        {"cow", "calf"},
        {"horse", "foal"},
        {"sheep", "lamb"},
        {"bear", "cub"},
        {"duck", "duckling"},
        {"pig", "piglet"},
        {"frog", "tadpole"},
        {"goat", "kid"}}},
      {"capital",
       {"What is the capital of {a}?", "Which city is the capital of {a}?",
        "What is the capital city of {a}?", "Can you name the capital of {a}?"},
       {{"France", "Paris"},
        {"Italy", "Rome"},
        {"Spain", "Madrid"},
        {"Japan", "Tokyo"},
        {"Egypt", "Cairo"},
        {"Norway", "Oslo"},
        {"Greece", "Athens"},
        {"Peru", "Lima"},
        {"Cuba", "Havana"},
        {"Austria", "Vienna"},
        {"Kenya", "Nairobi"},
        {"Portugal", "Lisbon"}}},
      {"next",
       {"What comes after {a}?", "What is next after {a}?", "Which one follows {a}?",
        "What comes right after {a}?"},
       {{"Monday", "Tuesday"},
        {"Tuesday", "Wednesday"},
        {"Wednesday", "Thursday"},
        {"Thursday", "Friday"},
        {"Friday", "Saturday"},
        {"Saturday", "Sunday"},
        {"Sunday", "Monday"},
        {"spring", "summer"},
        {"summer", "autumn"},
        {"autumn", "winter"}}},
      {"source",
       {"Where does {a} come from?", "What does {a} come from?", "What is the source of {a}?",
        "What gives us {a}?"},
       {{"beeswax", "bees"},
        {"wool", "sheep"},
        {"an egg", "chickens"},
        {"paper", "trees"},
        {"bread", "wheat"},
        {"butter", "milk"},
        {"wine", "grapes"},
        {"chocolate", "cocoa"},
        {"glass", "sand"},
        {"steel", "iron"}}},
      {"tool",
       {"What do you need to {a}?", "Which thing do you use to {a}?", "What is used to {a}?",
        "With what do you {a}?"},
       {{"cut paper", "scissors"},
        {"drive a nail", "hammer"},
        {"sweep the floor", "broom"},
        {"open a lock", "key"},
        {"tell the time", "clock"},
        {"take photos", "camera"},
        {"write on a board", "chalk"},
        {"dig a hole", "shovel"},
        {"stay dry in the rain", "umbrella"},
        {"brush your hair", "comb"}}},
  };
  return all;
}

Split wording_split(int fact, int wording, int wordings) {
  // The held-out wording differs between facts, so that pretraining has many wordings of each fact.
  int held = fact % wordings;
  if (wording == held) return Split::eval;
  // 20 = 4 facts per creature x 5 wordings. In each round, every wording is held out equally often,
  // also among facts of one kind.
  int step = fact / 20 % (wordings - 1);
  if (wordings >= 4 && wording == (held + 1 + step) % wordings) return Split::train;
  return Split::pretrain;
}

std::vector<Question> facts(Split split) {
  std::vector<Question> all;
  int fact = 0;
  auto add = [&](const std::string& topic, const std::vector<std::string>& wordings,
                 const std::string& subject, const std::string& answer) {
    int count = static_cast<int>(wordings.size());
    for (int w = 0; w < count; ++w)
      if (wording_split(fact, w, count) == split)
        all.push_back({Kind::fact, topic, w, fill_in(wordings[w], subject), answer});
    ++fact;
  };
  for (const auto& creature : creatures())
    for (int i = 0; i < kAttributes; ++i) {
      auto attribute = static_cast<Attribute>(i);
      auto name = std::string(attribute_name(attribute));
      add("fact/" + creature.name + "/" + name, phrases("fact/" + name).wordings, creature.name,
          attribute_of(creature, attribute));
    }
  for (const auto& family : fact_families())
    for (const auto& [subject, answer] : family.facts)
      add("fact/" + family.name + "/" + subject, family.wordings, subject, answer);
  return all;
}

}  // namespace emend::scenes
