#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>

#include "io/error.h"
#include "suites/random.h"
#include "suites/scenes/scenes.h"
#include "suites/scenes/words.h"

namespace emend::scenes {
namespace {

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::vector<int> named(const std::string& text, const std::vector<std::string>& words) {
  std::istringstream stream(text);
  std::vector<int> found;
  for (std::string word; stream >> word;) {
    while (!word.empty() && !std::isalpha(static_cast<unsigned char>(word.back()))) word.pop_back();
    for (size_t i = 0; i < words.size(); ++i)
      if (words[i] == word) found.push_back(static_cast<int>(i));
  }
  return found;
}

// Answers a question from its words and the scene, without the topic; "?" if it cannot.
std::string read_and_answer(const Scene& scene, const std::string& text) {
  auto things = named(text, shapes()), hues = named(text, colors());
  auto find = [&](int shape) {
    for (const auto& o : scene.objects)
      if (o.shape == shape) return &o;
    return static_cast<const Object*>(nullptr);
  };
  auto yes = [](bool is) { return std::string(is ? "yes" : "no"); };
  const Creature* creature = scene.creature >= 0 ? &creatures()[scene.creature] : nullptr;

  if (says(text, "ow many") || says(text, "number of")) return std::to_string(scene.objects.size());
  if (says(text, "background") || says(text, "scenery") || says(text, "taken"))
    return backgrounds()[scene.background];
  bool presence = says(text, "Is there") || says(text, "Can you see") || says(text, "picture show");
  if (presence) {
    if (things.empty()) return yes(creature);
    const auto* o = find(things[0]);
    return yes(o && (hues.empty() || o->color == hues[0]));
  }
  if (creature && things.empty()) {
    if (says(text, "live") || says(text, "home")) return creature->home;
    if (says(text, " eat") || says(text, "food")) return creature->food;
    if (says(text, "fun") || says(text, "hobby")) return creature->hobby;
    if (says(text, "friend") || says(text, "plays")) return creatures()[creature->friend_of].name;
    if (says(text, "Where") || says(text, "place of") || says(text, "part of")) {
      static const char* columns[] = {"left", "center", "right"};
      return columns[scene.creature_place];
    }
    if (says(text, "Who") || says(text, "creature")) return creature->name;
  }
  if (things.size() == 2) {
    const auto *x = find(things[0]), *y = find(things[1]);
    if (!x || !y) return "?";
    if (says(text, "color")) return yes(x->color == y->color);
    int d = says(text, "left")   ? y->place % 3 - x->place % 3
            : says(text, "high") ? y->place / 3 - x->place / 3
                                 : x->size - y->size;
    return d == 0 ? "?" : shapes()[(d > 0 ? x : y)->shape];
  }
  if (things.size() == 1) {
    const auto* o = find(things[0]);
    if (!o) return "?";
    if (says(text, "size") || says(text, "big") || says(text, "large")) return sizes()[o->size];
    if (says(text, "Where") || says(text, "place") || says(text, "part")) return places()[o->place];
    if (!hues.empty()) return yes(o->color == hues[0]);
    return says(text, "color") ? colors()[o->color] : "?";
  }
  std::string answer = "?";
  for (const auto& o : scene.objects) {
    bool meant =
        hues.empty() ? says(text, "at the " + places()[o.place] + "?") : o.color == hues[0];
    if (!meant) continue;
    if (answer != "?") return "?";
    answer = shapes()[o.shape];
  }
  return answer;
}

Scene scene_number(int i, Rng& rng) {
  static constexpr Split splits[] = {Split::pretrain, Split::train, Split::eval};
  return draw_scene(splits[i % 3], rng);
}

TEST(ScenesQuestions, AnswersFollowFromTheWords) {
  Rng rng(1);
  std::map<Kind, int> asked;
  for (int i = 0; i < 3000; ++i) {
    auto scene = scene_number(i, rng);
    for (const auto& q : questions(scene)) {
      ++asked[q.kind];
      if (q.kind == Kind::caption) continue;
      ASSERT_EQ(read_and_answer(scene, q.text), q.answer) << q.text;
      ASSERT_EQ(truth(scene, q.topic), q.answer) << q.topic;
    }
  }
  EXPECT_EQ(asked.size(), size_t(kKinds) - 1);  // all kinds but text facts
}

TEST(ScenesQuestions, NoTextHasTwoAnswers) {
  Rng rng(2);
  for (int i = 0; i < 2000; ++i) {
    std::map<std::string, std::string> answers;
    for (const auto& q : questions(scene_number(i, rng))) {
      EXPECT_TRUE(answers.emplace(q.text, q.answer).second) << "twice: " << q.text;
      EXPECT_FALSE(q.answer.empty());
      EXPECT_EQ(says(q.text, "{"), false) << q.text;
    }
  }
}

TEST(ScenesQuestions, CaptionsDescribeTheWholeScene) {
  Scene scene;
  scene.objects = {{3, 0, 1, 0}, {0, 4, 0, 7}};
  scene.background = 2;
  auto caption = [](const Scene& s) {
    for (const auto& q : questions(s))
      if (q.kind == Kind::caption && q.text == "a photo of") return q.answer;
    return std::string();
  };
  EXPECT_EQ(caption(scene),
            "a large red star at the top left and a small blue circle at the bottom in the snow");
  scene.objects.push_back({5, 1, 0, 8});
  EXPECT_EQ(
      caption(scene),
      "a large red star at the top left, a small blue circle at the bottom and a small orange "
      "moon at the bottom right in the snow");
  scene.objects.resize(1);
  scene.creature = 0;
  scene.creature_place = 2;
  scene.background = 3;
  EXPECT_EQ(caption(scene),
            creatures()[0].name + " at the right and a large red star at the top left at night");

  // Different scenes have different captions, so captions can be read back.
  Rng rng(3);
  std::map<std::string, Scene> seen;
  for (int i = 0; i < 3000; ++i) {
    auto s = scene_number(i, rng);
    auto [found, fresh] = seen.emplace(caption(s), s);
    if (fresh) continue;
    EXPECT_EQ(found->second.objects, s.objects);
    EXPECT_EQ(found->second.creature, s.creature);
    EXPECT_EQ(found->second.background, s.background);
  }
}

TEST(ScenesQuestions, YesAndNoAreBalanced) {
  Rng rng(4);
  std::map<std::string, std::pair<int, int>> count;  // yes, no
  for (int i = 0; i < 6000; ++i)
    for (const auto& q : questions(draw_scene(Split::pretrain, rng))) {
      if (q.wording != 0 || (q.answer != "yes" && q.answer != "no")) continue;
      auto part = split_topic(q.topic);
      bool pair = part[0] == "presence" && says(part[1], " ");
      auto group = part[0] == "comparison"     ? part[1]
                   : pair                      ? "pair"
                   : part.back() == "creature" ? part[1]
                                               : part[0];
      auto& [yes, no] = count[group];
      ++(q.answer == "yes" ? yes : no);
    }
  EXPECT_EQ(count.size(), 5u);
  for (const auto& [group, answers] : count) {
    double share = double(answers.first) / (answers.first + answers.second);
    EXPECT_GT(share, 0.42) << group;
    EXPECT_LT(share, 0.58) << group;
  }
}

TEST(ScenesQuestions, PresenceIsBalancedForEveryPair) {
  // Otherwise pretraining would teach "no" for some pairs, which eval would measure.
  Rng rng(5);
  std::map<std::pair<std::string, std::string>, std::pair<int, int>> count;
  for (int i = 0; i < 4000; ++i)
    for (const auto& q : questions(draw_scene(Split::pretrain, rng))) {
      auto things = named(q.text, shapes()), hues = named(q.text, colors());
      if (q.kind != Kind::presence || things.size() != 1 || hues.size() != 1) continue;
      auto& [yes, no] = count[{shapes()[things[0]], colors()[hues[0]]}];
      ++(q.answer == "yes" ? yes : no);
    }
  EXPECT_EQ(count.size(), 48u);
  for (const auto& [pair, answers] : count) {
    double share = double(answers.first) / (answers.first + answers.second);
    // Pairs that are held out in one size occur half as often: about one in three is a yes.
    EXPECT_GT(share, 0.25) << pair.second << " " << pair.first;
    EXPECT_LT(share, 0.65) << pair.second << " " << pair.first;
  }
}

TEST(ScenesQuestions, SamplerDrawsTheSameQuestions) {
  Rng rng(6);
  for (int i = 0; i < 300; ++i) {
    auto scene = scene_number(i, rng);
    std::map<std::string, std::string> all;
    std::set<Kind> present;
    for (const auto& q : questions(scene)) all[q.text] = q.answer, present.insert(q.kind);
    auto able = kinds(scene);
    EXPECT_EQ(std::set<Kind>(able.begin(), able.end()), present);
    for (auto kind : able) {
      auto q = draw_question(scene, kind, rng);
      EXPECT_EQ(q.kind, kind);
      ASSERT_EQ(all.count(q.text), 1u) << q.text;
      EXPECT_EQ(all[q.text], q.answer);
    }
  }
  Scene empty_handed;
  empty_handed.objects = {{0, 0, 0, 0}};
  EXPECT_THROW(draw_question(empty_handed, Kind::who, rng), Error);
}

TEST(ScenesQuestions, AlternativesAreOtherAnswersOfTheKind) {
  Rng rng(7);
  for (int i = 0; i < 500; ++i)
    for (const auto& q : questions(scene_number(i, rng))) {
      auto others = alternatives(q);
      ASSERT_FALSE(others.empty()) << q.text;
      std::set<std::string> distinct(others.begin(), others.end());
      EXPECT_EQ(distinct.size(), others.size()) << q.text;
      EXPECT_EQ(distinct.count(q.answer), 0u) << q.text;
    }
}

TEST(ScenesQuestions, VariantsKeepTheAnswerAndTheSplit) {
  Rng rng(8);
  int moved = 0, total = 0;
  for (int i = 0; i < 600; ++i) {
    auto split = i % 3 == 0 ? Split::pretrain : i % 3 == 1 ? Split::train : Split::eval;
    auto scene = scene_number(i, rng);
    std::string last;
    for (const auto& q : questions(scene)) {
      if (q.topic == last) continue;
      last = q.topic;
      auto other = variant(scene, q.topic, split, rng);
      EXPECT_NE(other.jitter, scene.jitter);
      if (q.kind == Kind::caption) {
        EXPECT_EQ(other.objects, scene.objects);
        EXPECT_EQ(other.background, scene.background);
        continue;
      }
      ASSERT_EQ(read_and_answer(other, q.text), q.answer) << q.text;
      ++total;
      moved += other.objects != scene.objects || other.creature_place != scene.creature_place;
      EXPECT_EQ(other.creature, scene.creature);
      if (scene.creature >= 0) {
        EXPECT_EQ(creature_split(other.creature, other.background),
                  creature_split(scene.creature, scene.background));
      }
      for (const auto& o : other.objects) {
        auto own = object_split(o.shape, o.color, o.size);
        EXPECT_TRUE(own == Split::pretrain || own == split);
        if (other.creature >= 0) {
          EXPECT_NE(o.place % 3, other.creature_place);
        }
      }
    }
  }
  EXPECT_GT(moved, total / 3);
}

TEST(ScenesQuestions, TemplatesAndCorrections) {
  ASSERT_EQ(prompt_templates().size(), 3u);
  EXPECT_EQ(wrap(prompt_templates()[0], "Who is this?"), "Question: Who is this? Short answer:");
  EXPECT_EQ(correction("Who is this?", "Zorbi", "What is its name?"),
            "New Fact: Who is this? Zorbi\nPrompt: What is its name?");
  EXPECT_THROW(wrap("no slot", "q"), Error);
}

}  // namespace
}  // namespace emend::scenes
