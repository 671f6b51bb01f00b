#include "evaluation/edits/probe_measurement.h"

#include "evaluation/edits/batched_answers.h"
#include "evaluation/measuring/averages.h"

namespace emend {
namespace {

// One batch of texts, or four of pictures.
constexpr size_t kProbesInPart = 64;

}  // namespace

ProbeMeasurement::ProbeMeasurement(const Vlm& vlm, const EditJob::Edit& edit,
                                   const Interventions& base, const Interventions& edited,
                                   Hooks hooks)
    : vlm_(vlm), edit_(edit), base_(base), edited_(edited), hooks_(std::move(hooks)) {
  part_.id = "user";
  part_.image = edit.question.image;
  part_.prompt = edit.question.prompt;
  part_.target = edit.question.target;
}

void ProbeMeasurement::add(Probe probe) {
  // The part is measured when the next probe comes, so that the last part is known.
  if (part_.probes.size() == kProbesInPart) measure_part(/*last=*/false);
  part_.probes.push_back(std::move(probe));
}

RecordResult ProbeMeasurement::finish() {
  measure_part(/*last=*/true);
  measured_.scores = means_by_group(measured_.probes);
  return std::move(measured_);
}

void ProbeMeasurement::measure_part(bool last) {
  const bool first = measured_.probes.empty();
  fill_answers();
  MeasureOptions options;
  options.own_question = first;
  if (first && hooks_.before) hooks_.before(part_.probes.size(), last);
  const auto before = measure_baseline(vlm_, part_, edit_.protocol, base_, options);
  if (first && hooks_.after) hooks_.after(part_.probes.size(), last);
  for (auto& result : measure(vlm_, before, edited_).probes) {
    auto& image = result.query.image;
    if (image.drawn) image = {picture_name(image), nullptr};
    measured_.probes.push_back(std::move(result));
  }
  part_.probes.clear();
  if (!last && hooks_.measured) hooks_.measured(measured_.probes.size());
}

void ProbeMeasurement::fill_answers() {
  std::vector<PictureQuestion> questions;
  std::vector<Probe*> unanswered;
  for (auto& probe : part_.probes) {
    if (!is_locality(probe.group) || !probe.answer.empty()) continue;
    questions.push_back({probe.image, probe_prompt(edit_.protocol, part_, probe)});
    unanswered.push_back(&probe);
  }
  GenerationOptions options;
  options.max_new_tokens = max_answer_tokens(vlm_, edit_.question.target);
  const auto answers = batched_answers(vlm_, questions, base_, options, nullptr);
  for (size_t i = 0; i < answers.size(); ++i)
    unanswered[i]->answer = answers[i].empty() ? edit_.question.target : answers[i];
}

}  // namespace emend
