#include "evaluation/edits/edit_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <set>

#include "editing/editors/failed_tokens.h"
#include "editing/registry.h"
#include "editing/training/forced.h"
#include "evaluation/edits/probe_measurement.h"
#include "evaluation/edits/sequence/edit_sequence.h"
#include "io/error.h"
#include "io/runtime.h"

namespace emend {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

Query query_of(const Picture& image, const std::string& prompt) {
  return {image.present() ? std::optional(image.load()) : std::nullopt, prompt};
}

// One run of a job.
class EditRun {
 public:
  EditRun(const Vlm& vlm, const EditJob& job)
      : vlm_(vlm), job_(job), store_(ActivationStore::Options{}) {
    if (job.base) base_ = *job.base;
  }

  EditOutcome outcome() {
    check_base();
    part("generating the answer before the edit");
    EditOutcome outcome;
    for (const auto& edit : job_.edits) {
      EditVerdict verdict;
      Record record;
      record.prompt = edit.question.prompt;
      verdict.prompt = edit_prompt(edit.protocol, record);
      requests_.push_back({edit.question.image, verdict.prompt,
                           continuation(edit.protocol, edit.question.target), "",
                           edit.question.subject});
      name_edit_in_errors(outcome.edits.size(), [&] {
        // Texts that are too long are an error before any edit is made.
        vlm_.model->collate(force_edits(vlm_, {requests_.back()}, /*end_of_answer=*/false).batch);
        verdict.before = answer(edit, verdict.prompt, base_.interventions(vlm_, &store_));
      });
      outcome.edits.push_back(std::move(verdict));
    }
    outcome.earlier = earlier_edits(base_.patches());
    const auto earlier = outcome.earlier.size();
    const auto which = earlier == 1 ? std::string("the earlier edit")
                                    : fmt::format("the {} earlier edits", earlier);
    if (earlier > 0) {
      part(fmt::format("asking {} again, before the edit", which));
      ask_earlier_before(outcome);
    }
    part("editing");
    const auto begin = Clock::now();
    if (job_.sequential)
      edit_in_sequence(outcome);
    else
      edit_at_once(outcome);
    outcome.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    if (outcome.interrupted_after) return outcome;
    const auto edited = edited_.interventions(vlm_, &store_);
    part("generating the answer after the edit");
    for (size_t i = 0; i < job_.edits.size(); ++i) check(i, edited, outcome.edits[i]);
    if (earlier > 0) {
      part(fmt::format("asking {} again, after the edit", which));
      ask_earlier_after(edited, outcome);
      mark_superseded(outcome);
    }
    measure_all(edited, outcome);
    record_effect(outcome);
    return outcome;
  }

 private:
  // Calls `work`. Its errors name the edit if the job has several.
  template <typename Work>
  void name_edit_in_errors(size_t index, const Work& work) const {
    try {
      work();
    } catch (const Error& error) {
      if (job_.edits.size() == 1) throw;
      const auto parts = error_parts(error.what());
      throw Error("evaluation::edit_job",
                  fmt::format("edit {} of {}: {}", index + 1, job_.edits.size(), parts.problem),
                  parts.hint);
    }
  }

  void part(const std::string& name) const {
    if (job_.on_part) job_.on_part(name);
  }

  // Gradients cannot be computed through a rewritten request.
  void check_base() const {
    if (editor_info(job_.editor->name()).recall) return;  // this editor uses no gradients
    for (const auto& change : base_.interventions(vlm_))
      if (change.point == Point::request)
        throw Error(
            "evaluation::edit_job",
            fmt::format("{} changes weights and cannot edit on top of a patch with demonstrations",
                        job_.editor->name()),
            "make this edit without --patch, and apply both patches afterward");
  }

  std::string answer(const EditJob::Edit& edit, const std::string& prompt,
                     const Interventions& interventions) {
    GenerationOptions options;
    options.max_new_tokens = max_answer_tokens(vlm_, edit.question.target);
    return generate(vlm_, {query_of(edit.question.image, prompt)}, interventions, options, &store_)
        .at(0);
  }

  void edit_at_once(EditOutcome& outcome) {
    outcome.patch = job_.editor->edit(vlm_, requests_, edit_context(vlm_, job_, base_, &store_));
    if (job_.on_edited) job_.on_edited(outcome.patch.effect);
    edited_ = base_;
    edited_.apply(vlm_, outcome.patch);
    for (auto& verdict : outcome.edits) verdict.effect = outcome.patch.effect;
  }

  void edit_in_sequence(EditOutcome& outcome) {
    std::optional<InterruptGuard> guard;
    if (!job_.snapshots.empty()) guard.emplace();
    EditSequence sequence(vlm_, job_, requests_, &store_);
    const auto all = requests_.size();
    if (sequence.size() > 0)
      part(fmt::format("continuing after {} of {} edits", sequence.size(), all));
    while (sequence.size() < all) {
      const auto i = sequence.size();
      part(fmt::format("editing {} of {}", i + 1, all));
      try {
        name_edit_in_errors(i, [&] { sequence.make_next(); });
      } catch (const Error& error) {
        sequence.save_if_due(/*stopping=*/true);
        if (job_.snapshots.empty() || i == 0) throw;
        const auto parts = error_parts(error.what());
        throw Error("evaluation::edit_job", parts.problem,
                    fmt::format("{}. The first {} edits are saved in '{}', and the same command "
                                "continues after them",
                                parts.hint, i, job_.snapshots));
      }
      if (job_.on_edited) job_.on_edited(sequence.effect(i));
      const bool stop = guard && InterruptGuard::interrupted();
      sequence.save_if_due(stop || i + 1 == all);
      if (!stop) continue;
      outcome.interrupted_after = i + 1;
      return;
    }
    for (size_t i = 0; i < all; ++i) outcome.edits[i].effect = sequence.effect(i);
    outcome.patch = sequence.patch();
    edited_ = sequence.stack();
  }

  void check(size_t index, const Interventions& edited, EditVerdict& verdict) {
    const auto& edit = job_.edits[index];
    verdict.after = answer(edit, verdict.prompt, edited);
    verdict.holds = same_answer(verdict.after, edit.question.target);
    if (!verdict.holds) verdict.failed = failed_tokens(requests_[index], edited);
  }

  void ask_earlier_before(EditOutcome& outcome) {
    auto answers = ask_again(vlm_, outcome.earlier, base_.interventions(vlm_, &store_), &store_);
    for (size_t i = 0; i < answers.size(); ++i) {
      auto& edit = outcome.earlier[i];
      edit.before = std::move(answers[i]);
      edit.held = same_answer(edit.before, edit.target);
      for (const auto& request : requests_)
        edit.replaced |=
            request.prompt == edit.prompt && same_picture(request.image.path, edit.image);
    }
  }

  void ask_earlier_after(const Interventions& edited, EditOutcome& outcome) {
    auto answers = ask_again(vlm_, outcome.earlier, edited, &store_);
    for (size_t i = 0; i < answers.size(); ++i) {
      auto& edit = outcome.earlier[i];
      edit.after = std::move(answers[i]);
      edit.holds = same_answer(edit.after, edit.target);
    }
  }

  // An earlier entry whose question is nearly the same as that of a new one is not used any more.
  void mark_superseded(EditOutcome& outcome) const {
    const auto info = editor_info(outcome.patch.editor);
    if (!info.memory_facts || outcome.patch.memory.entries.empty()) return;
    std::set<std::string> made;
    for (const auto& entry : outcome.patch.memory.entries) made.insert(entry.name);
    for (const auto& memory : edited_.memories()) {
      if (memory.editor != outcome.patch.editor) continue;
      std::set<std::string> superseded;
      const auto facts = info.memory_facts(memory);
      for (const auto& pair : facts.at("superseded"))
        if (made.count(pair.at("by"))) superseded.insert(pair.at("entry").get<std::string>());
      for (const auto& entry : memory.memory.entries)
        for (auto& edit : outcome.earlier)
          edit.replaced |= superseded.count(entry.name) > 0 &&
                           entry.facts.value("prompt", "") == edit.prompt &&
                           entry.facts.value("target", "") == edit.target &&
                           entry.facts.value("image", "") == edit.image;
    }
  }

  std::vector<FailedToken> failed_tokens(const EditRequest& request, const Interventions& edited) {
    at::NoGradGuard no_grad;
    const auto target = vlm_.processor.target(request.target);
    const auto row =
        teacher_force(vlm_, {query_of(request.image, request.prompt)}, {request.target}, edited)
            .at(0);
    const auto size = static_cast<int64_t>(target.size());
    const auto best = row.logits.slice(0, row.logits.size(0) - size - 1).argmax(-1).to(at::kCPU);
    auto text = [&](int64_t id) { return token_text(*vlm_.processor.tokenizer, id); };
    const auto& stops = vlm_.processor.stop_tokens;
    std::vector<FailedToken> failed;
    for (int64_t i = 0; i <= size; ++i) {
      const auto id = best[i].item<int64_t>();
      if (i == size && std::find(stops.begin(), stops.end(), id) != stops.end()) break;
      if (i < size && id == target[static_cast<size_t>(i)]) continue;
      const auto wanted = i < size ? text(target[static_cast<size_t>(i)]) : "<end of the answer>";
      failed.push_back({i, wanted, text(id)});
    }
    return failed;
  }

  // The default probes are added to the first edit only.
  void measure_all(const Interventions& edited, EditOutcome& outcome) {
    std::vector<ProbeResult> all;
    const auto base = base_.interventions(vlm_, &store_);
    for (size_t i = 0; i < job_.edits.size(); ++i) {
      const auto which =
          job_.edits.size() > 1 ? fmt::format(", {} of {}", i + 1, job_.edits.size()) : "";
      const auto naming = [&](const char* side) {
        return [this, side, which](size_t probes, bool all) {
          part(fmt::format("measuring {} the edit ({}{} probes{})", side, all ? "" : "the first ",
                           probes, which));
        };
      };
      auto defaults = job_.defaults;
      if (i > 0) defaults.texts = defaults.pictures = 0;
      ProbeMeasurement measurement(vlm_, job_.edits[i], base, edited,
                                   {naming("before"), naming("after"), job_.on_probes});
      each_default_probe(job_.edits[i].question, defaults, job_.seed,
                         [&](Probe probe) { measurement.add(std::move(probe)); });
      auto& verdict = outcome.edits[i];
      verdict.measured = measurement.finish();
      const auto& probes = verdict.measured.probes;
      all.insert(all.end(), probes.begin(), probes.end());
    }
    outcome.scores = means_by_group(all);
  }

  // Writes the results into the patch.
  void record_effect(EditOutcome& outcome) const {
    auto& patch = outcome.patch;
    if (!base_.patches().empty()) {
      auto ids = json::array();
      for (const auto& other : base_.patches()) ids.push_back(other.id);
      auto note = [&](json& request) { request["on_patches"] = ids; };
      if (patch.request.is_array())
        for (auto& request : patch.request) note(request);
      else
        note(patch.request);
    }
    if (outcome.edits.size() == 1) {
      const auto& only = outcome.edits.front();
      patch.effect["before"] = only.before;
      patch.effect["after"] = only.after;
    } else {
      patch.effect["edits"] = json::array();
      for (const auto& edit : outcome.edits)
        patch.effect["edits"].push_back(
            {{"before", edit.before}, {"after", edit.after}, {"holds", edit.holds}});
    }
    patch.effect["holds"] = outcome.holds();
    patch.id = patch_id(patch);
  }

  const Vlm& vlm_;
  const EditJob& job_;
  ActivationStore store_;
  PatchStack base_, edited_;
  std::vector<EditRequest> requests_;
};

}  // namespace

bool EditOutcome::holds() const {
  return std::all_of(edits.begin(), edits.end(), [](const auto& edit) { return edit.holds; });
}

bool EditOutcome::changed() const { return !patch.deltas.empty() || !patch.memory.entries.empty(); }

EditOutcome run_edits(const Vlm& vlm, const EditJob& job) { return EditRun(vlm, job).outcome(); }

int64_t max_answer_tokens(const Vlm& vlm, const std::string& target) {
  const auto tokens = static_cast<int64_t>(vlm.processor.target(continuation({}, target)).size());
  return std::max(GenerationOptions().max_new_tokens, tokens + 8);
}

nlohmann::json to_json(const FailedToken& token) {
  return {
      {"position", token.position}, {"expected", token.expected}, {"predicted", token.predicted}};
}

}  // namespace emend
