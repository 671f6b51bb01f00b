#include "evaluation/bench/judge.h"

#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <new>

#include "evaluation/bench/files/samples_writer.h"
#include "io/error.h"
#include "io/exception_message.h"

namespace emend {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Runs `act` and returns the reason of a failure, or an empty text. Errors in emend itself are not
// caught.
template <class F>
std::string attempt(F&& act) {
  try {
    act();
    return {};
  } catch (const Error& error) {
    return error.what();
  } catch (const c10::Error& error) {
    return exception_message(error);
  } catch (const std::bad_alloc&) {
    return "out of memory";
  }
}

}  // namespace

Judge::Judge(const Vlm& vlm, const Suite& suite, ActivationStore* store, bool reuse,
             const std::vector<Candidate>& candidates)
    : vlm_(vlm), suite_(suite), store_(reuse ? store : nullptr) {
  options_.store = store_;
  options_.reuse = reuse;
  auto& boundaries = options_.boundaries;
  for (const auto& candidate : candidates)
    if (candidate.editor) boundaries.push_back(candidate.editor->first_stage(*vlm.model));
  std::sort(boundaries.begin(), boundaries.end());
  boundaries.erase(std::unique(boundaries.begin(), boundaries.end()), boundaries.end());
}

const Record& Judge::read(RecordState& state) const {
  if (!state.record) state.record = suite_.record(state.index);
  return *state.record;
}

const Baseline& Judge::baseline(const Candidate& candidate, RecordState& state, double& seconds) {
  // With --no-reuse, editors share no measurements.
  auto key = options_.reuse ? to_json(candidate.protocol).dump() : candidate.label;
  auto found = state.baselines.find(key);
  if (found == state.baselines.end()) {
    auto begin = Clock::now();
    auto taken = measure_baseline(vlm_, read(state), candidate.protocol, {}, options_);
    seconds = since(begin);
    found = state.baselines.emplace(key, std::move(taken)).first;
  }
  return found->second;
}

AppliedEdit Judge::make(Candidate& candidate, std::vector<RecordState>& states, bool keep) {
  AppliedEdit edit;
  auto begin = Clock::now();
  edit.failure = attempt([&] {
    if (candidate.oracle) {
      if (!keep) candidate.oracle = Oracle();
      for (auto& state : states) candidate.oracle->add(read(state));
      return;
    }
    std::vector<EditRequest> requests;
    for (auto& state : states)
      if (attempt([&] { read(state); }).empty())
        requests.push_back({state.record->image, edit_prompt(candidate.protocol, *state.record),
                            continuation(candidate.protocol, state.record->target),
                            state.record->before, state.record->subject, state.record->fact});
    if (requests.empty())
      throw Error("evaluation::judge", "no record can be read", "check the pictures of the suite");
    EditContext context;
    context.base = candidate.edits.merged().interventions(vlm_, store_);
    context.history = candidate.edits.merged().keys();
    context.store = store_;
    auto patch = candidate.editor->edit(vlm_, requests, context);
    edit.facts = patch_facts(patch);
    if (keep) candidate.edits.add(patch);
    edit.changes = keep ? candidate.edits.merged().interventions(vlm_, store_)
                        : patch.interventions(vlm_, store_);
    edit.patch = std::move(patch);
  });
  edit.seconds = since(begin) / static_cast<double>(states.size());
  return edit;
}

std::vector<Judge::Verdict> Judge::judge_edits(std::vector<Candidate>& candidates, size_t begin,
                                               size_t end, const std::function<bool()>& stopped) {
  std::vector<RecordState> states;
  for (auto index = begin; index < end; ++index) states.push_back({index});
  std::vector<std::optional<AppliedEdit>> edits(candidates.size());
  std::vector<Verdict> verdicts;
  for (auto& state : states) {
    for (size_t c = 0; c < candidates.size(); ++c) {
      if (stopped()) return verdicts;
      if (candidates[c].edits_records() && !edits[c])
        edits[c] = make(candidates[c], states, /*keep=*/false);
      verdicts.push_back(judge(candidates[c], state, edits[c] ? &*edits[c] : nullptr));
    }
    state.baselines.clear();
  }
  return verdicts;
}

Judge::Verdict Judge::judge(const Candidate& candidate, RecordState& state,
                            const AppliedEdit* edit) {
  Verdict verdict;
  auto& [sample, timing] = verdict;
  sample = {{"editor", candidate.label},
            {"index", state.index},
            {"record", fmt::format("number {}", state.index)}};
  timing = {{"editor", candidate.label}, {"index", state.index}};
  auto failed = [&](const char* stage, const std::string& reason) {
    sample["stage"] = stage;
    sample["failed"] = reason;
    return verdict;
  };
  auto reason = attempt([&] { add_facts(sample, read(state)); });
  if (!reason.empty()) return failed("reading", reason);
  if (candidate.failed_records.count(state.index) && !edit)
    return failed("editing", "the edit failed earlier");
  if (edit) {
    if (!edit->failure.empty()) return failed("editing", edit->failure);
    sample.update(edit->facts);
    timing["edit_seconds"] = edit->seconds;
  }
  const Baseline* baseline = nullptr;
  double before_seconds = 0;
  reason = attempt([&] { baseline = &this->baseline(candidate, state, before_seconds); });
  if (!reason.empty()) return failed("judging before", reason);
  if (before_seconds > 0) timing["before_seconds"] = before_seconds;
  auto begin = Clock::now();
  reason = attempt([&] {
    auto measured =
        measure(vlm_, *baseline,
                edit ? edit->changes : candidate.edits.merged().interventions(vlm_, store_));
    if (candidate.oracle) measured = candidate.oracle->judge(std::move(measured));
    add_facts(sample, measured);
  });
  timing["judge_seconds"] = since(begin);
  return reason.empty() ? verdict : failed("judging", reason);
}

size_t Judge::exam(const Exam& exam, const Candidate& candidate) const {
  return exam.right(vlm_, candidate.edits.merged().interventions(vlm_, store_), store_);
}

}  // namespace emend
