#include "evaluation/bench/run_description.h"

#include <fmt/format.h>
#include <torch/version.h>

#include "evaluation/bench/schedule.h"
#include "io/error.h"

namespace emend {
namespace {

using Mode = RunOptions::Mode;

// Refuses options that the mode would ignore.
void check_mode_options(const RunOptions& options) {
  const auto check = [&](bool changed, const char* name, const char* modes) {
    if (changed)
      throw Error("evaluation::runner",
                  fmt::format("{} has no effect in {} mode", name, mode_name(options.mode)),
                  fmt::format("remove it, or use --mode {}", modes));
  };
  if (options.mode == Mode::single)
    check(options.batch_size.has_value(), "--batch-size", "sequential or batch");
  if (options.mode == Mode::sequential) return;
  const RunOptions defaults{};
  check(options.judge_at != defaults.judge_at, "--judge-at", "sequential");
  check(options.judge_sample != defaults.judge_sample, "--judge-sample", "sequential");
}

}  // namespace

std::vector<Candidate> make_candidates(const std::vector<EditorSpec>& editors,
                                       const RunOptions& options) {
  const auto& protocol = options.protocol;
  std::vector<Candidate> candidates;
  candidates.push_back({"base", nullptr, protocol});
  if (options.oracle) {
    candidates.push_back({"oracle", nullptr, protocol});
    candidates.back().oracle = Oracle();
  }
  for (const auto& spec : editors) {
    auto editor = make_editor(spec.name, spec.settings);
    for (const auto& other : candidates) {
      if (other.label == spec.label)
        throw Error("evaluation::runner",
                    fmt::format("two editors have the label '{}'", spec.label),
                    "give each editor once; give hyperparameter files different names");
      if (other.editor && other.editor->name() == editor->name() &&
          other.editor->settings() == editor->settings())
        throw Error("evaluation::runner",
                    fmt::format("'{}' and '{}' are the same editor with the same settings",
                                other.label, spec.label),
                    "give it once, or give one of them another setting");
    }
    candidates.push_back({spec.label, std::move(editor), for_editor(protocol, spec.name)});
  }
  return candidates;
}

size_t records_per_edit(const RunOptions& options) {
  if (options.mode == Mode::single) return 1;
  return options.batch_size.value_or(options.mode == Mode::batch ? 10 : 1);
}

nlohmann::json describe_run(const Suite& suite, const std::vector<Candidate>& candidates,
                            const RunOptions& options) {
  auto config = options.facts;
  config["emend"] = EMEND_VERSION;
  config["libtorch"] = TORCH_VERSION;
  config["suite"] = suite.metadata();
  config["protocol"] = to_json(options.protocol);
  config["mode"] = mode_name(options.mode);
  config["seed"] = options.seed;
  config["reuse"] = options.reuse;
  if (options.mode == Mode::batch || records_per_edit(options) > 1)
    config["batch_size"] = records_per_edit(options);
  if (options.mode == Mode::sequential)
    config["judge"] = {{"at", options.judge_at}, {"sample", options.judge_sample}};
  if (options.exam) config["exam"] = options.exam_questions;
  nlohmann::json run = {{"config", config}, {"editors", nlohmann::json::array()}};
  for (const auto& candidate : candidates) {
    auto settings = candidate.editor ? candidate.editor->settings() : nlohmann::json::object();
    nlohmann::json editor = {
        {"label", candidate.label},
        {"name", candidate.editor ? candidate.editor->name() : candidate.label},
        {"settings", settings}};
    if (auto own = to_json(candidate.protocol); own != config["protocol"]) editor["protocol"] = own;
    run["editors"].push_back(std::move(editor));
  }
  return run;
}

RunOptions checked_options(const Suite& suite, RunOptions options) {
  if (suite.size() == 0)
    throw Error("evaluation::runner", "the suite has no records", "choose another suite or split");
  if (options.batch_size == 0 || options.judge_sample == 0)
    throw Error("evaluation::runner", "the batch size and the judge sample must not be 0",
                "set --batch-size and --judge-sample to at least 1");
  if (options.oracle && suite.record(0).fact.empty())
    throw Error("evaluation::runner",
                "the suite does not identify the facts of its edits, which the oracle needs",
                "remove --oracle, or use --suite scenes");
  if (options.exam && options.mode != Mode::sequential)
    throw Error("evaluation::runner", "an exam needs edits that accumulate",
                "use --mode sequential");
  if (options.save_patches && options.mode == Mode::single)
    throw Error("evaluation::runner",
                "patches cannot be saved in single mode, because each edit is removed",
                "use --mode sequential or batch, or make the edit with `emend edit`");
  check_mode_options(options);
  if (options.shared && options.mode == Mode::sequential)
    throw Error("evaluation::runner",
                "edits of a sequence depend on each other, so several processes cannot share them",
                "use one process, or compare the editors in separate runs and merge them with "
                "emend report");
  if (options.shared && options.save_patches)
    throw Error("evaluation::runner", "several processes cannot save patches",
                "remove --save-patches, or use one process");
  const auto together = suite.records_together();
  if (options.mode != Mode::sequential && records_per_edit(options) % together != 0)
    throw Error("evaluation::runner",
                fmt::format("{} edits of the suite must be applied together", together),
                fmt::format("use --mode sequential, or --mode batch with a --batch-size that is a "
                            "multiple of {}",
                            together));
  options.judge_at = judge_points(options.judge_at, suite.size(), records_per_edit(options));
  return options;
}

}  // namespace emend
