#include "evaluation/edits/report/report.h"

#include <algorithm>

#include "evaluation/edits/report/failure.h"
#include "evaluation/measuring/averages.h"
#include "io/runtime.h"

namespace emend {
namespace {

template <class F>
bool any_edit(const EditJob& job, const F& has) {
  return std::any_of(job.edits.begin(), job.edits.end(),
                     [&](const EditJob::Edit& edit) { return has(edit.question); });
}

bool own_locality(const EditJob& job, bool picture) {
  return any_edit(job, [&](const EditQuestion& edit) {
    return std::any_of(edit.locality.begin(), edit.locality.end(),
                       [&](const auto& one) { return one.image.present() == picture; });
  });
}

}  // namespace

std::string measured_on(Group group, const EditJob& job) {
  switch (group) {
    case Group::reliability:
      return job.edits.size() == 1 ? "the question itself" : "the questions themselves";
    case Group::text_generality:
      return any_edit(job, [](const auto& edit) { return !edit.rephrasings.empty(); })
                 ? "your rephrasings"
                 : "other wordings from Scenes";
    case Group::image_generality:
      return any_edit(job, [](const auto& edit) { return !edit.other_pictures.empty(); })
                 ? "your other pictures"
                 : "altered copies of the picture (moved, zoomed, lighter, darker, noisy)";
    case Group::both_generality:
      return "other wordings with other pictures";
    case Group::random_image_locality:
      return "the question about unrelated pictures";
    case Group::no_image_locality:
      return "the question without a picture";
    case Group::consistent_image_locality:
      return "other questions about the picture";
    case Group::text_locality:
      return own_locality(job, false) ? "your locality questions" : texts_of(job.defaults.world);
    case Group::image_locality:
      return own_locality(job, true) ? "your locality questions and their pictures"
                                     : pictures_of(job.defaults.world);
    case Group::portability:
      return "your --follows questions";
  }
  return "";
}

nlohmann::json metrics_json(const Vlm& vlm, const EditJob& job, const EditOutcome& outcome) {
  auto metrics = to_json(outcome.scores);
  for (auto group : groups())
    if (outcome.scores.count(group))
      metrics[group_name(group)]["measured_on"] = measured_on(group, job);
  return {{"protocol", to_json(job.edits.front().protocol, vlm)}, {"scores", metrics}};
}

nlohmann::json report_json(const EditReport& report) {
  const auto& vlm = report.vlm;
  const auto& job = report.job;
  const auto& outcome = report.outcome;
  auto result = report.facts;
  result["holds"] = outcome.holds();
  result["model"] = vlm.folder;
  result["base"] = outcome.patch.base;
  result["on_patches"] = nlohmann::json::array();
  for (const auto& patch : job.base->patches()) result["on_patches"].push_back(patch.id);
  result["earlier_edits"] = nlohmann::json::array();
  for (const auto& edit : outcome.earlier) result["earlier_edits"].push_back(to_json(edit));
  result["editor"] = {{"name", outcome.patch.editor}, {"settings", outcome.patch.settings}};
  result["effect"] = job.sequential ? nlohmann::json() : outcome.edits.front().effect;
  result["metrics"] = metrics_json(vlm, job, outcome);
  result["probes"] = nlohmann::json::array();
  result["edits"] = nlohmann::json::array();
  for (size_t i = 0; i < outcome.edits.size(); ++i) {
    const auto& verdict = outcome.edits[i];
    const auto& question = job.edits[i].question;
    nlohmann::json edit = {
        {"prompt", verdict.prompt},
        {"image",
         question.image.path.empty() ? nlohmann::json() : nlohmann::json(question.image.path)},
        {"target", question.target},
        {"before", verdict.before},
        {"after", verdict.after},
        {"holds", verdict.holds},
        {"scores", to_json(verdict.measured.scores)}};
    if (job.sequential) edit["effect"] = verdict.effect;
    if (!verdict.holds) edit["failure"] = failure_json(report, verdict);
    for (const auto& probe : verdict.measured.probes) {
      result["probes"].push_back(to_json(probe));
      result["probes"].back()["edit"] = i;
    }
    result["edits"].push_back(std::move(edit));
  }
  const auto& first = result["edits"].front();
  if (outcome.edits.size() == 1)
    for (const char* key : {"prompt", "image", "target", "before", "after"})
      result[key] = nlohmann::json(first[key]);
  for (const auto& edit : nlohmann::json(result["edits"]))
    if (edit.contains("failure") && !result.contains("failure"))
      result["failure"] = edit["failure"];
  if (report.ignored_fields) {
    result["sequential"] = job.sequential;
    result["ignored_fields"] = *report.ignored_fields;
  }
  result["patch"] = nullptr;
  if (report.written)
    result["patch"] = {{"path", report.output},
                       {"id", outcome.patch.id},
                       {"sites", outcome.patch.deltas.size()},
                       {"entries", outcome.patch.memory.entries.size()}};
  result["edit_seconds"] = outcome.seconds;
  result["seconds"] = report.seconds;
  result["peak_memory_bytes"] = peak_resident_bytes();
  return result;
}

}  // namespace emend
