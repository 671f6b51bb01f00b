#include "evaluation/bench/judge.h"

#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <new>

#include "evaluation/bench/samples_writer.h"
#include "io/error.h"

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
    std::string what = error.what_without_backtrace();
    return what.substr(0, what.find('\n'));
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

const Record& Judge::read(Subject& subject) const {
  if (!subject.record) subject.record = suite_.record(subject.index);
  return *subject.record;
}

const Before& Judge::before(const Candidate& candidate, Subject& subject, double& seconds) {
  // With --no-reuse, editors share no measurements.
  auto key = options_.reuse ? to_json(candidate.protocol).dump() : candidate.label;
  auto found = subject.befores.find(key);
  if (found == subject.befores.end()) {
    auto begin = Clock::now();
    auto taken = take_before(vlm_, read(subject), candidate.protocol, {}, options_);
    seconds = since(begin);
    found = subject.befores.emplace(key, std::move(taken)).first;
  }
  return found->second;
}

Made Judge::make(Candidate& candidate, std::vector<Subject>& subjects, bool pile) {
  Made made;
  auto begin = Clock::now();
  made.failure = attempt([&] {
    std::vector<EditRequest> requests;
    for (auto& subject : subjects)
      if (attempt([&] { read(subject); }).empty())
        requests.push_back({subject.record->image, edit_prompt(candidate.protocol, *subject.record),
                            continuation(candidate.protocol, subject.record->target),
                            subject.record->before});
    if (requests.empty())
      throw Error("evaluation::judge", "no record can be read", "check the pictures of the suite");
    auto patch = candidate.editor->edit(
        vlm_, requests, {candidate.edits.pile().interventions(vlm_, store_), store_});
    made.facts = described(patch);
    if (pile) candidate.edits.add(patch);
    made.changes = pile ? candidate.edits.pile().interventions(vlm_, store_)
                        : patch.interventions(vlm_, store_);
    made.patch = std::move(patch);
  });
  made.seconds = since(begin) / static_cast<double>(subjects.size());
  return made;
}

Judge::Verdict Judge::judge(const Candidate& candidate, Subject& subject, const Made* made) {
  Verdict verdict;
  auto& [sample, timing] = verdict;
  sample = {{"editor", candidate.label},
            {"index", subject.index},
            {"record", fmt::format("number {}", subject.index)}};
  timing = {{"editor", candidate.label}, {"index", subject.index}};
  auto failed = [&](const char* doing, const std::string& reason) {
    sample["while"] = doing;
    sample["failed"] = reason;
    return verdict;
  };
  auto reason = attempt([&] { describe(sample, read(subject)); });
  if (!reason.empty()) return failed("reading", reason);
  if (candidate.unmade.count(subject.index) && !made)
    return failed("editing", "the edit failed earlier");
  if (made) {
    if (!made->failure.empty()) return failed("editing", made->failure);
    sample.update(made->facts);
    timing["edit_seconds"] = made->seconds;
  }
  const Before* before = nullptr;
  double before_seconds = 0;
  reason = attempt([&] { before = &this->before(candidate, subject, before_seconds); });
  if (!reason.empty()) return failed("judging before", reason);
  if (before_seconds > 0) timing["before_seconds"] = before_seconds;
  auto begin = Clock::now();
  reason = attempt([&] {
    describe(sample,
             measure(vlm_, *before,
                     made ? made->changes : candidate.edits.pile().interventions(vlm_, store_)));
  });
  timing["judge_seconds"] = since(begin);
  return reason.empty() ? verdict : failed("judging", reason);
}

}  // namespace emend
