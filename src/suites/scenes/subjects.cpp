#include <algorithm>

#include "suites/scenes/scenes.h"

namespace emend::scenes {

std::string subject_of(const Question& question) {
  const auto& topic = question.topic;
  const auto slash = topic.find('/');
  if (slash == topic.npos) return {};
  auto subject = topic.substr(slash + 1, topic.find('/', slash + 1) - slash - 1);
  // "fact/Zorb/home", but "fact/capital/France".
  if (question.kind == Kind::fact &&
      std::none_of(creatures().begin(), creatures().end(),
                   [&](const Creature& creature) { return creature.name == subject; }))
    subject = topic.substr(topic.find('/', slash + 1) + 1);
  return question.text.find(subject) == question.text.npos ? std::string() : subject;
}

}  // namespace emend::scenes
