#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "io/error.h"
#include "suites/draw.h"
#include "suites/scenes.h"
#include "suites/scenes_consequences.h"
#include "suites/scenes_words.h"

namespace emend::scenes {
namespace {

const char* split_name(Split split) {
  return split == Split::pretrain ? "pretrain" : split == Split::train ? "train" : "eval";
}

Picture drawn(const Scene& scene) { return {{}, std::make_shared<const Image>(render(scene))}; }

bool mentions(const std::string& text, const std::string& word) {
  auto letter = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    auto end = at + word.size();
    if ((at == 0 || !letter(text[at - 1])) && (end == text.size() || !letter(text[end])))
      return true;
  }
  return false;
}

// Everything that an edit touches, so that locality is asked of something else.
class Maker {
 public:
  Maker(const Scene& scene, const Question& question, const std::string& target, Split split,
        uint64_t seed)
      : scene_(scene), question_(question), target_(target), split_(split), rng_(mix(seed)) {
    about_picture_ = question.kind != Kind::fact;
    for (const auto* word : {&question.answer, &target_})
      if (!word->empty()) touched_.insert(*word);
    if (scene.creature >= 0) touched_.insert(creatures()[scene.creature].name);
    for (const auto& part : split_topic(question.topic))
      if (creature_named(part) >= 0) touched_.insert(part);
  }

  Record make(const EditOptions& options) {
    Record record;
    record.id = std::string("scenes-") + split_name(split_) + "-" + question_.topic + "-" +
                std::to_string(scene_.jitter % 1000000);
    std::replace(record.id.begin(), record.id.end(), ' ', '_');
    std::replace(record.id.begin(), record.id.end(), '/', '.');
    if (about_picture_) record.image = drawn(scene_);
    record.prompt = question_.text;
    record.target = target_;
    record.truth = question_.answer;
    auto add = [&](Group group, Picture image, const std::string& text, const std::string& answer) {
      record.probes.push_back({group, std::move(image), text, answer});
    };
    add(Group::reliability, record.image, question_.text, target_);
    for (const auto& text : rewordings(options.rewordings))
      add(Group::text_generality, record.image, text, target_);
    for (int i = 0; about_picture_ && i < options.variants; ++i)
      add(Group::image_generality, drawn(variant(scene_, question_.topic, split_, rng_)),
          question_.text, target_);
    for (const auto& fact : unrelated_facts(options.text_probes))
      add(Group::text_locality, {}, fact.text, fact.answer);
    for (int i = 0; i < options.image_probes; ++i) {
      auto [scene, question] = unrelated_scene();
      add(Group::image_locality, drawn(scene), question.text, question.answer);
    }
    for (const auto& one : portable(options.portability)) {
      Picture image;
      if (one.of_picture) image = about_picture_ ? record.image : drawn(scene_);
      add(Group::portability, image, one.question.text, one.question.answer);
    }
    return record;
  }

 private:
  std::vector<std::string> rewordings(int count) {
    std::vector<Question> pool;
    if (about_picture_) {
      pool = questions(scene_);
    } else {
      for (auto split : {Split::pretrain, Split::train, Split::eval})
        for (auto& fact : facts(split)) pool.push_back(std::move(fact));
    }
    std::vector<std::string> texts;
    for (const auto& other : pool)
      if (other.topic == question_.topic && other.text != question_.text)
        texts.push_back(other.text);
    shuffle(texts, rng_);
    if (static_cast<int>(texts.size()) > count) texts.resize(std::max(count, 0));
    return texts;
  }

  bool touches(const std::string& text, const std::string& answer) const {
    return std::any_of(touched_.begin(), touched_.end(), [&](const std::string& word) {
      return word == answer || mentions(text, word);
    });
  }

  std::vector<Question> unrelated_facts(int count) {
    std::vector<Question> pool;
    for (auto& fact : facts(split_))
      if (fact.topic != question_.topic && !touches(fact.text, fact.answer))
        pool.push_back(std::move(fact));
    shuffle(pool, rng_);
    if (static_cast<int>(pool.size()) > count) pool.resize(std::max(count, 0));
    return pool;
  }

  bool shares_a_subject(const Scene& other) const {
    if (other.creature >= 0 && touched_.count(creatures()[other.creature].name)) return true;
    if (question_.kind == Kind::background && other.background == scene_.background) return true;
    auto part = split_topic(question_.topic);
    for (const auto& o : other.objects) {
      if (std::find(part.begin(), part.end(), shapes()[o.shape]) != part.end()) return true;
      for (const auto& mine : scene_.objects)
        if (o.shape == mine.shape && o.colour == mine.colour) return true;
    }
    return false;
  }

  std::pair<Scene, Question> unrelated_scene() {
    for (int attempt = 0; attempt < 10000; ++attempt) {
      auto other = draw_scene(split_, rng_);
      if (shares_a_subject(other)) continue;
      auto question = draw_question(other, pick(kinds(other), rng_), rng_);
      if (question.kind == Kind::caption || question.topic == question_.topic) continue;
      if (!touches(question.text, question.answer)) return {other, question};
    }
    throw Error("suites::scenes",
                "no scene without anything of '" + question_.text + "' -> '" + target_ + "'",
                "a shorter target");
  }

  // Topic by topic, before the second wording of any.
  std::vector<Consequence> portable(int count) {
    auto pool = consequences(scene_, question_, target_);
    shuffle(pool, rng_);
    std::map<std::string, int> asked;
    std::vector<std::pair<int, size_t>> order;
    for (size_t i = 0; i < pool.size(); ++i) order.emplace_back(asked[pool[i].question.topic]++, i);
    std::sort(order.begin(), order.end());
    std::vector<Consequence> chosen;
    for (const auto& [round, i] : order)
      if (static_cast<int>(chosen.size()) < count) chosen.push_back(pool[i]);
    return chosen;
  }

  const Scene& scene_;
  const Question& question_;
  const std::string& target_;
  Split split_;
  Rng rng_;
  bool about_picture_;
  std::set<std::string> touched_;
};

// Nothing of another split but pretraining's.
bool stays_in(const Scene& scene, Split split) {
  return std::all_of(scene.objects.begin(), scene.objects.end(), [&](const Object& o) {
    auto own = object_split(o.shape, o.colour, o.size);
    return own == Split::pretrain || own == split;
  });
}

}  // namespace

Record make_record(const Scene& scene, const Question& question, const std::string& target,
                   Split split, uint64_t seed, const EditOptions& options) {
  if (question.text.empty() || target.empty())
    throw Error("suites::scenes", "an edit needs a question and a target");
  return Maker(scene, question, target, split, seed).make(options);
}

Record counterfactual(Split split, uint64_t seed, const EditOptions& options) {
  Rng rng(mix(seed ^ (static_cast<uint64_t>(split) + 1) << 60));
  for (;;) {
    auto scene = draw_scene(split, rng);
    auto able = kinds(scene);
    std::erase(able, Kind::caption);
    auto question = draw_question(scene, pick(able, rng), rng);
    std::vector<std::string> targets;
    for (const auto& target : alternatives(question)) {
      if (scene.creature >= 0 && question.kind == Kind::one_hop &&
          target == creatures()[scene.creature].name)
        continue;
      // Where the answer is all that changes, it must be a world that can be.
      bool whole = question.kind == Kind::colour || question.kind == Kind::shape ||
                   question.kind == Kind::place;
      auto world = world_where(scene, question, target);
      if (world ? stays_in(*world, split) : !whole) targets.push_back(target);
    }
    if (targets.empty()) continue;
    auto target = pick(targets, rng);
    auto record = make_record(scene, question, target, split, rng(), options);
    record.id = std::string("scenes-") + split_name(split) + "-" + std::to_string(seed);
    return record;
  }
}

}  // namespace emend::scenes
