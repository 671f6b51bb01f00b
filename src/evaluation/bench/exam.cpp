#include "evaluation/bench/exam.h"

#include <fmt/format.h>

#include "io/error.h"

namespace emend {

Exam::Exam(const Suite& source, const std::set<std::string>& edited, size_t count,
           const Protocol& protocol) {
  std::set<std::string> prompts;
  size_t pictured = 0;
  for (size_t index = 0; index < source.size() && questions_.size() < count; ++index) {
    const auto record = source.record(index);
    for (const auto& probe : record.probes) {
      const bool picture = probe.image.present();
      if (questions_.size() == count || !is_locality(probe.group) || probe.answer.empty() ||
          edited.count(probe.fact) > 0)
        continue;
      if (picture ? pictured >= (count + 1) / 2 : questions_.size() - pictured >= count / 2)
        continue;
      const auto prompt = probe_prompt(protocol, record, probe);
      if (!picture && !prompts.insert(prompt).second) continue;
      questions_.push_back({probe.image, prompt});
      answers_.push_back(probe.answer);
      pictured += picture;
    }
  }
  if (questions_.size() < count)
    throw Error("evaluation::exam",
                fmt::format("only {} questions are about facts that the run does not edit",
                            questions_.size()),
                "use a smaller --exam");
}

size_t Exam::right(const Vlm& vlm, const Interventions& interventions,
                   ActivationStore* store) const {
  const auto answers = batched_answers(vlm, questions_, interventions, {}, store);
  size_t right = 0;
  for (size_t i = 0; i < answers.size(); ++i) right += same_answer(answers[i], answers_[i]);
  return right;
}

}  // namespace emend
