#include "suites/scenes/locality_sampler.h"

#include <algorithm>
#include <cctype>
#include <sstream>

#include "io/error.h"
#include "suites/random.h"
#include "suites/scenes/words.h"

namespace emend::scenes {
namespace {

bool mentions(const std::string& text, const std::string& word) {
  auto letter = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    auto end = at + word.size();
    if ((at == 0 || !letter(text[at - 1])) && (end == text.size() || !letter(text[end])))
      return true;
  }
  return false;
}

bool among(const std::set<std::string>& words, const std::string& text, const std::string& answer) {
  return std::any_of(words.begin(), words.end(), [&](const std::string& word) {
    return word == answer || mentions(text, word);
  });
}

std::multiset<std::string> words_of(std::string text) {
  std::replace(text.begin(), text.end(), ',', ' ');
  std::istringstream stream(text);
  std::multiset<std::string> words;
  for (std::string word; stream >> word;)
    if (word != "a" && word != "and" && word != "at" && word != "in" && word != "the")
      words.insert(word);
  return words;
}

// The words that are in only one of two captions.
std::set<std::string> changed_words(const std::string& one, const std::string& other) {
  auto a = words_of(one), b = words_of(other);
  std::set<std::string> changed;
  std::set_symmetric_difference(a.begin(), a.end(), b.begin(), b.end(),
                                std::inserter(changed, changed.end()));
  return changed;
}

template <typename T>
void keep(std::vector<T>& items, int count) {
  if (static_cast<int>(items.size()) > count) items.resize(std::max(count, 0));
}

// The answer to the question in another scene.
std::optional<std::string> answer_in(const Scene& scene, const Question& question) {
  if (question.kind == Kind::caption) return describe(scene);
  return truth(scene, question.topic);
}

}  // namespace

LocalitySampler::LocalitySampler(const Scene& scene, const Question& question,
                                 const std::string& target, Split split)
    : scene_(scene),
      question_(question),
      target_(target),
      split_(split),
      edited_scene_(scene_with_answer(scene, question, target)) {
  if (question.kind == Kind::caption) {
    edit_words_ = changed_words(question.answer, target);
  } else {
    for (const auto* word : {&question.answer, &target})
      if (!word->empty()) edit_words_.insert(*word);
  }
  if (scene.creature >= 0) edit_words_.insert(creatures()[scene.creature].name);
  auto part = split_topic(question.topic);
  for (size_t i = 0; i < part.size(); ++i) {
    if (creature_named(part[i]) >= 0) edit_words_.insert(part[i]);
    std::istringstream words(part[i]);
    for (std::string word; i > 0 && words >> word;) subjects_.insert(word);
  }
}

bool LocalitySampler::mentions_edit(const std::string& text, const std::string& answer) const {
  return among(edit_words_, text, answer);
}

std::vector<Question> LocalitySampler::unrelated_facts(int count, Rng& rng) const {
  std::vector<Question> pool;
  for (auto& fact : facts(split_))
    if (fact.topic != question_.topic && !mentions_edit(fact.text, fact.answer))
      pool.push_back(std::move(fact));
  shuffle(pool, rng);
  keep(pool, count);
  return pool;
}

bool LocalitySampler::is_similar(const Scene& other, const Scene& mine) const {
  if (other.creature >= 0 && edit_words_.count(creatures()[other.creature].name)) return true;
  for (const auto& a : other.objects)
    for (const auto& b : mine.objects)
      if (a.shape == b.shape && a.color == b.color) return true;
  return false;
}

bool LocalitySampler::shares_a_subject(const Scene& other) const {
  if (question_.kind == Kind::background && other.background == scene_.background) return true;
  auto part = split_topic(question_.topic);
  for (const auto& o : other.objects)
    if (std::find(part.begin(), part.end(), shapes()[o.shape]) != part.end()) return true;
  return is_similar(other, scene_);
}

std::pair<Scene, Question> LocalitySampler::unrelated_scene(Rng& rng) const {
  for (int attempt = 0; attempt < 10000; ++attempt) {
    auto other = draw_scene(split_, rng);
    if (shares_a_subject(other)) continue;
    auto question = draw_question(other, pick(kinds(other), rng), rng);
    if (question.kind == Kind::caption || question.topic == question_.topic) continue;
    if (!mentions_edit(question.text, question.answer)) return {other, question};
  }
  throw Error("suites::scenes",
              "no scene is unrelated to '" + question_.text + "' -> '" + target_ + "'",
              "use a shorter target");
}

std::pair<Scene, std::string> LocalitySampler::other_scene(Rng& rng) const {
  constexpr int kTried = 1000;
  // With two possible answers, the one that is not the target is the correct one.
  const bool two_answers = alternatives(question_).size() == 1;
  std::optional<Scene> best;
  std::string answer = question_.answer;
  for (int attempt = 0, best_rank = 3; best_rank > 0 && attempt < kTried; ++attempt) {
    auto other = draw_scene(split_, rng);
    if (is_similar(other, scene_) || (edited_scene_ && is_similar(other, *edited_scene_))) continue;
    auto there = answer_in(other, question_);
    int rank = !there                                       ? 3
               : *there == target_                          ? 2
               : *there == question_.answer && !two_answers ? 1
                                                            : 0;
    if (best && rank >= best_rank) continue;
    best = std::move(other);
    best_rank = rank;
    answer = there.value_or(question_.answer);
  }
  if (!best)
    throw Error("suites::scenes", "no scene looks different from that of '" + question_.text + "'",
                "use another --seed");
  return {*best, answer};
}

// Whether the edit may change the answer to the question even if the two share no words.
bool LocalitySampler::depends_on_edit(const Question& other) const {
  const bool creature = other.kind == Kind::who || other.kind == Kind::one_hop;
  const bool number = other.kind == Kind::count || other.kind == Kind::presence;
  switch (question_.kind) {
    case Kind::who:
    case Kind::one_hop:
      return creature;
    case Kind::count:
    case Kind::presence:
      return number;
    case Kind::caption:
      return creature;
    default:
      return false;
  }
}

std::vector<Question> LocalitySampler::unaffected_questions(const Scene& shown, int count,
                                                            Rng& rng) const {
  auto world = scene_with_answer(shown, question_, target_);
  auto pool = questions(shown);
  shuffle(pool, rng);
  std::set<std::string> topics = {question_.topic};
  std::vector<Question> chosen;
  for (auto& other : pool) {
    if (static_cast<int>(chosen.size()) >= count) break;
    if (other.kind == Kind::caption || depends_on_edit(other) ||
        mentions_edit(other.text, other.answer) || among(subjects_, other.text, other.answer))
      continue;
    if (world && truth(*world, other.topic) != other.answer) continue;
    if (topics.insert(other.topic).second) chosen.push_back(std::move(other));
  }
  return chosen;
}

}  // namespace emend::scenes
