#include <algorithm>
#include <map>

#include "io/error.h"
#include "suites/random.h"
#include "suites/scenes/consequences.h"
#include "suites/scenes/locality_sampler.h"
#include "suites/scenes/scenes.h"
#include "suites/scenes/words.h"

namespace emend::scenes {
namespace {

Picture drawn(const Scene& scene) { return {{}, std::make_shared<const Image>(render(scene))}; }

class Maker {
 public:
  Maker(const Scene& scene, const Question& question, const std::string& target, Split split,
        uint64_t seed)
      : scene_(scene),
        question_(question),
        target_(target),
        split_(split),
        rng_(mix(seed)),
        grid_rng_(mix(mix(seed) + 1)),
        about_picture_(question.kind != Kind::fact),
        locality_(scene, question, target, split) {}

  Record make(const EditOptions& options) {
    record_.id = std::string("scenes-") + split_name(split_) + "-" + question_.topic + "-" +
                 std::to_string(scene_.jitter % 1000000);
    std::replace(record_.id.begin(), record_.id.end(), ' ', '_');
    std::replace(record_.id.begin(), record_.id.end(), '/', '.');
    if (about_picture_) record_.image = drawn(scene_);
    record_.prompt = question_.text;
    record_.target = target_;
    record_.truth = question_.answer;
    record_.subject = subject_of(question_);
    record_.fact = own_fact();

    add(Group::reliability, record_.image, question_.text, target_, own_fact());
    auto reworded = rewordings(options.rewordings);
    for (const auto& text : reworded)
      add(Group::text_generality, record_.image, text, target_, own_fact());
    for (int i = 0; about_picture_ && i < options.variants; ++i)
      add(Group::image_generality, drawn(another_view(rng_)), question_.text, target_, own_fact());
    for (const auto& fact : locality_.unrelated_facts(options.text_probes, rng_)) {
      add(Group::text_locality, {}, fact.text, fact.answer, fact_of(nullptr, fact.topic));
      record_.probes.back().subject = subject_of(fact);
    }
    for (int i = 0; i < options.image_probes; ++i) {
      auto [scene, question] = locality_.unrelated_scene(rng_);
      add(Group::image_locality, drawn(scene), question.text, question.answer,
          fact_of(&scene, question.topic));
    }
    for (const auto& one : portable(options.portability)) {
      Picture image;
      if (one.of_picture) image = about_picture_ ? record_.image : drawn(scene_);
      add(Group::portability, image, one.question.text, one.question.answer,
          fact_of(one.of_picture ? &scene_ : nullptr, one.question.topic));
    }
    if (options.grid && about_picture_) add_grid(options, reworded);
    return std::move(record_);
  }

 private:
  void add(Group group, Picture image, const std::string& text, const std::string& answer,
           std::string fact, bool similar = false) {
    record_.probes.push_back({group, std::move(image), text, answer, similar});
    record_.probes.back().fact = std::move(fact);
  }

  std::string own_fact() const {
    return fact_of(about_picture_ ? &scene_ : nullptr, question_.topic);
  }

  Scene another_view(Rng& rng) const { return variant(scene_, question_.topic, split_, rng); }

  // Uses a separate random stream, so that the other probes are the same without the grid.
  void add_grid(const EditOptions& options, const std::vector<std::string>& reworded) {
    if (!reworded.empty())
      for (int i = 0; i < options.variants; ++i)
        add(Group::both_generality, drawn(another_view(grid_rng_)), reworded[i % reworded.size()],
            target_, own_fact());
    add_other_scenes({question_.text}, options.image_probes, false);
    add_other_scenes(reworded, options.image_probes, true);
    // Without a picture there is no correct answer. The original answer is used before and after.
    const auto unseen = fact_of(nullptr, question_.topic);
    add(Group::no_image_locality, {}, question_.text, question_.answer, unseen);
    for (const auto& text : reworded)
      add(Group::no_image_locality, {}, text, question_.answer, unseen, true);
    for (const auto& other :
         locality_.unaffected_questions(scene_, options.image_probes, grid_rng_))
      add(Group::consistent_image_locality, record_.image, other.text, other.answer,
          fact_of(&scene_, other.topic));
    for (int i = 0; i < options.image_probes; ++i) {
      auto shown = another_view(grid_rng_);
      for (const auto& other : locality_.unaffected_questions(shown, 1, grid_rng_))
        add(Group::consistent_image_locality, drawn(shown), other.text, other.answer,
            fact_of(&shown, other.topic), true);
    }
  }

  void add_other_scenes(const std::vector<std::string>& texts, int count, bool similar) {
    for (int i = 0; !texts.empty() && i < count; ++i) {
      auto [scene, answer] = locality_.other_scene(grid_rng_);
      add(Group::random_image_locality, drawn(scene), texts[i % texts.size()], answer,
          fact_of(&scene, question_.topic), similar);
    }
  }

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

  // Topic by topic, before the second wording of a topic.
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
  Rng rng_, grid_rng_;
  bool about_picture_;
  LocalitySampler locality_;
  Record record_;
};

}  // namespace

const char* split_name(Split split) {
  return split == Split::pretrain ? "pretrain" : split == Split::train ? "train" : "eval";
}

Record make_record(const Scene& scene, const Question& question, const std::string& target,
                   Split split, uint64_t seed, const EditOptions& options) {
  if (question.text.empty() || target.empty())
    throw Error("suites::scenes", "an edit needs a question and a target",
                "this is an error in emend; please report it");
  return Maker(scene, question, target, split, seed).make(options);
}

}  // namespace emend::scenes
