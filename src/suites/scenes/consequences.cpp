#include "suites/scenes/consequences.h"

#include "suites/scenes/words.h"

namespace emend::scenes {
namespace {

// Adds all wordings of a topic.
void add_consequence(std::vector<Consequence>& all, std::string_view pattern,
                     const std::string& topic, const std::string& a, const std::string& b,
                     const std::string& answer, bool of_picture = true) {
  const auto& from = phrases(pattern);
  for (size_t w = 0; w < from.wordings.size(); ++w)
    all.push_back({{from.kind, topic, static_cast<int>(w), fill_in(from.wordings[w], a, b), answer},
                   of_picture});
}

// Adds questions with the answer no ("Is it still red?"); all others would be answered with yes.
void deny(std::vector<Consequence>& all, const std::string& shape, const std::string& color) {
  add_consequence(all, "is", "is/" + shape + "/" + color, shape, color, "no");
  add_consequence(all, "presence", "presence/" + color + " " + shape,
                  with_article(color + " " + shape), {}, "no");
}

// Adds text questions for facts in the picture, and picture questions for facts in texts.
void across(std::vector<Consequence>& all, const Scene& scene, const Question& question,
            const std::string& target) {
  if (scene.creature < 0) return;
  const auto& name = creatures()[scene.creature].name;
  auto part = split_topic(question.topic);
  if (question.kind == Kind::one_hop)
    add_consequence(all, "fact/" + part.at(1), "fact/" + name + "/" + part[1], name, {}, target,
                    false);
  else if (question.kind == Kind::fact && part.at(1) == name)
    add_consequence(all, "one_hop/" + part.at(2), "one_hop/" + part[2], {}, {}, target);
}

}  // namespace

std::vector<Consequence> consequences(const Scene& scene, const Question& question,
                                      const std::string& target) {
  std::vector<Consequence> all;
  across(all, scene, question, target);
  auto world = scene_with_answer(scene, question, target);
  if (!world) return all;

  for (auto& q : questions(*world)) {
    if (q.kind == Kind::caption || q.topic == question.topic) continue;
    auto before = truth(scene, q.topic);
    if (before && *before == q.answer) continue;
    all.push_back({std::move(q), true});
  }
  for (const auto& o : scene.objects)
    for (const auto& changed : world->objects)
      if (changed.shape == o.shape && changed.color != o.color)
        deny(all, shapes()[o.shape], colors()[o.color]);
  // Generated questions may repeat a denied fact or the edit itself.
  std::vector<Consequence> distinct;
  for (auto& one : all) {
    bool seen = one.question.topic == question.topic;
    for (const auto& other : distinct) seen = seen || other.question.text == one.question.text;
    if (!seen) distinct.push_back(std::move(one));
  }
  return distinct;
}

}  // namespace emend::scenes
