#include "evaluation/bench/runner.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <filesystem>
#include <optional>

#include "evaluation/bench/files/results_writer.h"
#include "evaluation/bench/files/samples_writer.h"
#include "evaluation/bench/run_description.h"
#include "evaluation/bench/schedule.h"
#include "evaluation/bench/shared_blocks.h"
#include "evaluation/edits/sequence/edit_snapshots.h"
#include "evaluation/edits/sequence/editor_files.h"
#include "evaluation/protocol/result_keys.h"
#include "io/error.h"
#include "io/json/json.h"
#include "io/json/json_lines.h"
#include "io/progress.h"
#include "io/runtime.h"

namespace emend {
namespace {

using Mode = RunOptions::Mode;
using Clock = std::chrono::steady_clock;
constexpr auto kBetweenPartialResults = std::chrono::seconds(10);

constexpr size_t kLongestFileName = 100;

// Turns a label into a file name.
std::string file_name(std::string label) {
  for (char& c : label)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '_') c = '-';
  return label.substr(0, kLongestFileName);
}

size_t records_in_all(const RunOptions& options, size_t records) {
  auto all = records;
  if (options.mode == Mode::sequential)
    for (auto edits : options.judge_at) all += std::min(edits, options.judge_sample);
  return all;
}

constexpr const char* kSharedRun = "bench/run";

// Pairs of sample and timing.
nlohmann::json judge_block(Judge& judge, std::vector<Candidate>& candidates, size_t begin,
                           size_t end, const std::function<bool()>& stopped) {
  auto lines = nlohmann::json::array();
  for (auto& [sample, timing] : judge.judge_edits(candidates, begin, end, stopped))
    lines.push_back({std::move(sample), std::move(timing)});
  return lines;
}

// A run in progress. Judgments have a fixed order. Those of an earlier process are read from the
// files, and the others are made.
class Job {
 public:
  Job(const Suite& suite, const RunOptions& options, std::vector<Candidate>& candidates,
      const RunFolder& folder, const nlohmann::json& run, Judge judge, ProcessGroup* group)
      : suite_(suite),
        options_(options),
        candidates_(candidates),
        folder_(folder),
        judge_(std::move(judge)),
        group_(group),
        results_(run),
        samples_(folder.file("samples.jsonl")),
        timings_(folder.file("timings.jsonl"), /*durable=*/false),
        exams_(options.exam ? std::make_unique<JsonLines>(folder.file("exam.jsonl")) : nullptr),
        pictures_(folder.file("")),
        snapshots_(folder.file("edits"), options.snapshot_seconds),
        total_(records_in_all(options, suite.size())) {
    if (!options_.on_judged)
      progress_.emplace("records", static_cast<int64_t>(total_),
                        static_cast<int64_t>(samples_.size() / candidates.size()));
    if (samples_.size() > total_ * candidates.size())
      throw Error("evaluation::runner",
                  fmt::format("'{}' has more lines than this run", folder.file("samples.jsonl")),
                  "use --restart to start again");
    for (nlohmann::json line; timings_.next(line);) results_.add_timing(line);
  }

  RunOutcome run() {
    const auto step = records_per_edit(options_);
    if (sequential() && needs_edits()) restored_ = load_edits();
    hold_exam(0);
    for (size_t first = 0; first < suite_.size() && !stopped(); first += step) {
      // Lines of an earlier run are read in this process, and its last edit may be incomplete.
      if (group_ && lines_ >= samples_.size()) {
        judge_shared({first, suite_.size(), step});
        break;
      }
      const auto edits = std::min(first + step, suite_.size());
      edit_and_judge(first, edits);
      if (complete_ == edits && snapshots_.due(stopped())) save_edits(edits);
      if (!judges_again_after(edits)) continue;
      for (auto index : reevaluated_edits(options_.seed, edits, options_.judge_sample)) {
        if (stopped()) break;
        judge_again(index, edits);
      }
      hold_exam(edits);
    }
    RunOutcome outcome;
    outcome.total = total_;
    outcome.done = lines_ / candidates_.size();
    outcome.finished = outcome.done == total_;
    if (outcome.finished) {
      save_sequential_patches();
      snapshots_.remove();
    }
    outcome.patches = patches_;
    outcome.results = write_results(!outcome.finished);
    outcome.failed_editors = results_.failed_editors();
    return outcome;
  }

 private:
  bool stopped() const { return stopped_ || InterruptGuard::interrupted(); }
  bool sequential() const { return options_.mode == Mode::sequential; }
  bool judges_again_after(size_t edits) const {
    return sequential() &&
           std::binary_search(options_.judge_at.begin(), options_.judge_at.end(), edits);
  }

  size_t load_edits() {
    std::vector<MergedPatch*> sequences;
    for (auto& candidate : candidates_) sequences.push_back(&candidate.edits);
    return snapshots_.load(sequences, edits_in_files());
  }
  void save_edits(size_t edits) {
    std::vector<const MergedPatch*> sequences;
    for (const auto& candidate : candidates_) sequences.push_back(&candidate.edits);
    snapshots_.save(sequences, edits);
  }

  // The number of first edits whose judgments are all in the files.
  size_t edits_in_files() const {
    size_t edits = 0, lines = 0, exams = 1;
    for (size_t end = 0; end < suite_.size();) {
      const auto begin = end;
      end = std::min(end + records_per_edit(options_), suite_.size());
      lines += (end - begin) * candidates_.size();
      if (lines > samples_.size() || (exams_ && exams > exams_->size())) break;
      edits = end;
      if (!judges_again_after(end)) continue;
      lines += std::min(end, options_.judge_sample) * candidates_.size();
      exams += editors();
    }
    return edits;
  }

  void edit_and_judge(size_t begin, size_t end) {
    const auto first_line = lines_;
    std::vector<RecordState> states;
    for (auto index = begin; index < end; ++index) states.push_back({index});
    std::vector<std::optional<AppliedEdit>> edits(candidates_.size());
    for (auto& state : states) {
      for (size_t c = 0; c < candidates_.size() && !stopped(); ++c) {
        auto& candidate = candidates_[c];
        auto edit = [&] {
          if (candidate.edits_records() && !edits[c]) {
            edits[c] = judge_.make(candidate, states, sequential());
            if (sequential())
              snapshots_.add_seconds(edits[c]->seconds * static_cast<double>(states.size()));
          }
          if (edits[c] && edits[c]->patch && lacks_batch_patch(candidate, begin))
            save(batch_patch(candidate, begin), *edits[c]->patch);
        };
        nlohmann::json line;
        if (samples_.next(line)) {
          rename_old_result_keys(line, 1);
          replay(line, candidate, state.index, false);
          const bool needed = sequential() ? needs_edits() && !is_restored(candidate, begin)
                                           : lacks_batch_patch(candidate, begin);
          if (candidate.edits_records() && needed && !candidate.failed_records.count(state.index))
            edit();
          if (edits[c] && !edits[c]->failure.empty())
            throw Error("evaluation::runner",
                        fmt::format("repeating the edit of record {} by {} failed: {}",
                                    line["record"].dump(), candidate.label, edits[c]->failure),
                        "try again, or use --restart to start again");
        } else {
          edit();
          if (edits[c] && !edits[c]->failure.empty()) candidate.failed_records.insert(state.index);
          auto verdict = judge_.judge(candidate, state, edits[c] ? &*edits[c] : nullptr);
          if (sequential()) verdict.sample["after_edits"] = verdict.timing["after_edits"] = end;
          keep(state, std::move(verdict));
        }
        if (&state == &states.back()) edits[c].reset();
      }
      state.baselines.clear();
      next_record();
      if (stopped() && &state != &states.back()) return;
    }
    if (lines_ - first_line == (end - begin) * candidates_.size()) complete_ = end;
  }

  // Whether a snapshot has the edit of this record. It has no edits of the oracle.
  bool is_restored(const Candidate& candidate, size_t index) const {
    return candidate.editor && index < restored_;
  }

  // The records that the processes of the group judge together.
  void judge_shared(const SharedBlocks::Range& range) {
    SharedBlocks blocks(*group_, [&](size_t begin) {
      return judge_block(judge_, candidates_, begin, std::min(begin + range.step, range.end),
                         [&] { return stopped(); });
    });
    blocks.open(range);
    for (auto begin = range.first; begin < range.end; begin += range.step) {
      const auto lines = blocks.take(begin);
      for (size_t i = 0; i < lines.size() && !stopped(); ++i) {
        RecordState state{lines[i].at(0).at("index")};
        const bool unread = lines[i].at(0).value("stage", "") == "reading";
        if (i % candidates_.size() == 0 && !unread) state.record = suite_.record(state.index);
        keep(state, {lines[i].at(0), lines[i].at(1)});
        if ((i + 1) % candidates_.size() == 0) next_record();
      }
      if (stopped()) break;
    }
    blocks.close();
  }

  void judge_again(size_t index, size_t edits) {
    RecordState state{index};
    for (auto& candidate : candidates_) {
      if (stopped()) return;
      nlohmann::json line;
      if (samples_.next(line)) {
        rename_old_result_keys(line, 1);
        replay(line, candidate, index, true);
        continue;
      }
      auto verdict = judge_.judge(candidate, state, nullptr);
      verdict.sample["after_edits"] = verdict.timing["after_edits"] = edits;
      verdict.sample["reevaluated"] = verdict.timing["reevaluated"] = true;
      keep(state, std::move(verdict));
    }
    next_record();
  }

  // The exam's questions are not about the facts that the records edit.
  void make_exam() {
    std::set<std::string> edited;
    for (size_t index = 0; index < suite_.size(); ++index)
      if (const auto fact = suite_.record(index).fact; !fact.empty()) edited.insert(fact);
    exam_.emplace(*options_.exam, edited, options_.exam_questions, options_.protocol);
  }

  // Asks the questions of the exam after `edits` edits: before any edit only to the base, and then
  // to each editor.
  void hold_exam(size_t edits) {
    if (!exams_) return;
    for (const auto& candidate : candidates_) {
      const bool base = !candidate.edits_records();
      if (stopped()) return;
      if (candidate.oracle || base != (edits == 0)) continue;
      nlohmann::json line;
      if (!exams_->next(line)) {
        if (!exam_) make_exam();
        line = {{"editor", candidate.label},
                {"after_edits", edits},
                {"questions", exam_->size()},
                {"right", judge_.exam(*exam_, candidate)}};
        exams_->append(line);
      } else if (line.value("editor", "") != candidate.label ||
                 line.value("after_edits", size_t{0}) != edits) {
        throw Error("evaluation::runner",
                    fmt::format("{} does not belong to this run", folder_.file("exam.jsonl")),
                    "use --restart to start again");
      }
      exam_lines_.push_back(line);
    }
  }

  size_t editors() const {
    size_t editors = 0;
    for (const auto& candidate : candidates_) editors += candidate.editor != nullptr;
    return editors;
  }
  size_t exams_in_all() const { return 1 + options_.judge_at.size() * editors(); }

  // Whether judgments remain.
  bool unfinished() const {
    return samples_.size() < total_ * candidates_.size() ||
           (exams_ && exams_->size() < exams_in_all());
  }

  // Sequential mode: whether the edits of finished lines must be repeated.
  bool needs_edits() const {
    if (unfinished()) return true;
    if (!options_.save_patches) return false;
    return std::any_of(candidates_.begin(), candidates_.end(), [&](const Candidate& candidate) {
      return candidate.editor && !std::filesystem::exists(patch_file(candidate, ""));
    });
  }

  std::string patch_file(const Candidate& candidate, const std::string& ending) const {
    const auto name = file_name(candidate.label);
    // Labels such as `memit layers=0-1` and `memit layers=0,1` have one name.
    int64_t number = 1;
    for (const auto* other = candidates_.data(); other != &candidate; ++other)
      number += file_name(other->label) == name;
    const auto suffix = number > 1 ? fmt::format("-{}", number) : "";
    return folder_.file("patches/" + name + suffix + ending + ".patch");
  }

  std::string batch_patch(const Candidate& candidate, size_t begin) const {
    const auto size = records_per_edit(options_);
    return patch_file(candidate, size >= suite_.size()
                                     ? std::string()
                                     : fmt::format("-batch-{:04}", begin / size + 1));
  }

  bool lacks_batch_patch(const Candidate& candidate, size_t begin) const {
    return options_.save_patches && options_.mode == Mode::batch && candidate.editor &&
           !std::filesystem::exists(batch_patch(candidate, begin));
  }

  void save(const std::string& path, const Patch& patch) {
    std::filesystem::create_directories(folder_.file("patches"));
    save_patch(path, patch);
    patches_.push_back(path);
  }

  void save_sequential_patches() {
    if (!options_.save_patches || !sequential()) return;
    for (const auto& candidate : candidates_)
      if (!candidate.edits.empty()) save(patch_file(candidate, ""), candidate.edits.patch());
  }

  void replay(const nlohmann::json& line, Candidate& candidate, size_t index, bool again) {
    auto name = fmt::format("{}, line {}", folder_.file("samples.jsonl"), lines_ + 1);
    if (json_get<std::string>(line, "editor", name) != candidate.label ||
        json_get<int64_t>(line, "index", name) != static_cast<int64_t>(index) ||
        line.contains("reevaluated") != again)
      throw Error(
          "evaluation::runner",
          fmt::format("{}: expected editor {} and record number {}", name, candidate.label, index),
          "use --restart to start again");
    if (!again && line.contains("failed") && line.at("stage") != "judging" &&
        line.at("stage") != "judging before")
      candidate.failed_records.insert(index);
    results_.add(line);
    ++lines_;
  }

  void keep(RecordState& state, Judge::Verdict verdict) {
    if (state.record) pictures_.keep(*state.record);
    samples_.append(verdict.sample);
    timings_.append(verdict.timing);
    results_.add(verdict.sample);
    results_.add_timing(verdict.timing);
    ++lines_;
    if (options_.on_judged && !options_.on_judged(lines_ / candidates_.size(), total_))
      stopped_ = true;
  }

  void next_record() {
    auto done = static_cast<int64_t>(lines_ / candidates_.size());
    if (progress_ && lines_ > samples_.size()) progress_->set(done);
    if (lines_ <= samples_.size() || Clock::now() < next_results_) return;
    write_results(true);
    next_results_ = Clock::now() + kBetweenPartialResults;
  }

  nlohmann::json write_results(bool partial) {
    auto json = results_.json(suite_.size(), partial);
    if (exams_) json["exam"] = exam_lines_;
    // A process that was interrupted while it read the lines has fewer lines than the file.
    if (lines_ >= samples_.size()) write_json(folder_.file("results.json"), json);
    return json;
  }

  const Suite& suite_;
  const RunOptions& options_;
  std::vector<Candidate>& candidates_;
  const RunFolder& folder_;
  Judge judge_;
  ProcessGroup* group_;  // null: this process judges all records
  Results results_;
  JsonLines samples_, timings_;
  std::unique_ptr<JsonLines> exams_;
  std::optional<Exam> exam_;
  nlohmann::json exam_lines_ = nlohmann::json::array();
  std::vector<std::string> patches_;
  PictureFolder pictures_;
  EditSnapshots snapshots_;
  size_t restored_ = 0;  // number of edits in the snapshot that the run was resumed from
  size_t complete_ = 0;  // number of edits that every candidate has, and whose records are judged
  const size_t total_;
  size_t lines_ = 0;  // lines of samples.jsonl that were read or written
  std::optional<Progress> progress_;
  bool stopped_ = false;  // by on_judged
  Clock::time_point next_results_ = Clock::now();
};

}  // namespace

const char* mode_name(Mode mode) {
  switch (mode) {
    case Mode::single:
      return "single";
    case Mode::sequential:
      return "sequential";
    case Mode::batch:
      return "batch";
  }
  return "";
}

Runner::Runner(const Suite& suite, const std::vector<EditorSpec>& editors, RunOptions options)
    : suite_(suite),
      options_(checked_options(suite, std::move(options))),
      candidates_(make_candidates(editors, options_)),
      run_(describe_run(suite, candidates_, options_)) {
  if (options_.directory.empty()) return;
  folder_.emplace(options_.directory, run_, options_.restart);
  // An earlier run in the folder keeps its labels: its `ft:vision` is today's `ft:connector`.
  const auto labels = folder_->labels();
  for (size_t i = 0; i < labels.size(); ++i) {
    candidates_[i].label = labels[i];
    run_["editors"][i]["label"] = labels[i];
  }
}

// run.json with the fields that are known after the model is opened.
nlohmann::json Runner::complete_run(const Vlm& vlm) const {
  auto run = run_;
  run["config"]["model"] = {{"folder", vlm.folder}, {"fingerprint", vlm.fingerprint()}};
  // The chat templates around the protocol's prompts, if the model has any.
  const auto& layout = vlm.processor.layout;
  if (!layout.with_picture.empty() || !layout.without_picture.empty())
    run["config"]["model"]["prompts"] = {{"with_picture", layout.with_picture},
                                         {"without_picture", layout.without_picture}};
  if (auto settings = vlm.processor.generation.applied(); !settings.empty())
    run["config"]["model"]["generation"] = std::move(settings);
  run["config"].update(precision_facts(vlm.precision));
  // The outcomes of protocol choices on this model.
  run["config"]["protocol"] = to_json(options_.protocol, vlm);
  for (size_t i = 0; i < candidates_.size(); ++i) {
    auto& editor = run["editors"][i];
    if (editor.contains("protocol")) editor["protocol"] = to_json(candidates_[i].protocol, vlm);
    if (auto files = editor_files(vlm.folder, editor["name"], editor["settings"]); !files.empty())
      editor["files"] = std::move(files);
  }
  run["config"]["threads"] = at::get_num_threads();
  return run;
}

RunOutcome Runner::run(const Vlm& vlm, ActivationStore* store, ProcessGroup* group) {
  Judge judge(vlm, suite_, store, options_.reuse, candidates_);
  const auto run = folder_->begin(complete_run(vlm));
  if (group) group->set(kSharedRun, run.dump());
  for (auto& candidate : candidates_) {
    candidate.edits = {};
    candidate.failed_records.clear();
    if (candidate.oracle) candidate.oracle = Oracle();
  }
  std::optional<InterruptGuard> guard;
  if (!options_.on_judged) guard.emplace();
  return Job(suite_, options_, candidates_, *folder_, run, std::move(judge), group).run();
}

void Runner::work(const Vlm& vlm, ActivationStore* store, ProcessGroup& group) {
  Judge judge(vlm, suite_, store, options_.reuse, candidates_);
  const InterruptGuard guard;
  const auto run = nlohmann::json::parse(group.wait(kSharedRun, 0));
  if (const auto difference = first_difference(complete_run(vlm), run))
    throw Error("evaluation::runner",
                fmt::format("{} is {} in rank {}, but {} in rank 0", difference->field,
                            difference->ours, group.rank(), difference->theirs),
                "start all processes with the same program, model, arguments and threads");
  for (size_t i = 0; i < candidates_.size(); ++i)
    candidates_[i].label = run.at("editors").at(i).at("label");
  std::unique_ptr<SharedBlocks> blocks;
  const auto stopped = [&] { return InterruptGuard::interrupted() || blocks->closed(); };
  const auto step = records_per_edit(options_);
  blocks = std::make_unique<SharedBlocks>(group, [&](size_t begin) {
    return judge_block(judge, candidates_, begin, std::min(begin + step, suite_.size()), stopped);
  });
  blocks->work([] { return InterruptGuard::interrupted(); });
}

}  // namespace emend
