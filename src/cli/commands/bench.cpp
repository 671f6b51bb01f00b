#include <fmt/format.h>
#include <fmt/ranges.h>

#include <iostream>

#include "cli/command.h"
#include "cli/processes.h"
#include "cli/reports/table.h"
#include "editing/registry.h"
#include "editing/settings/easyedit/hparams.h"
#include "editing/settings/settings_file.h"
#include "editing/settings/sweep.h"
#include "evaluation/bench/runner.h"
#include "evaluation/report/report.h"
#include "io/error.h"
#include "io/log.h"
#include "io/runtime.h"
#include "io/strings/blank.h"
#include "io/strings/comma_list.h"

namespace emend::cli {
namespace {

using Mode = RunOptions::Mode;

struct BenchArguments {
  Common common;
  std::string suite = "scenes", editors = "ft:language,ft:connector";
  ProtocolOptions protocol;
  std::string answers = "generated";
  SuiteOptions suite_options;
  int probes = 1;
  std::vector<std::string> settings, hparams;
  std::string settings_file, sweep;
  size_t exam = 0;  // number of questions
  RunOptions run;
  ActivationStore::Options store;
  bool no_reuse = false;
};

// Removes `base` from the list: the unedited model is always measured.
std::string without_base(const std::string& list) {
  std::string kept;
  for (const auto& name : comma_list(list)) {
    if (is_blank(name))
      throw Error("cli::bench", fmt::format("--editors '{}' has an empty name", list),
                  "separate the names by single commas; --editors base measures no editor");
    if (name != "base") kept += (kept.empty() ? "" : ",") + name;
  }
  return kept;
}

std::vector<EditorSpec> chosen_editors(const BenchArguments& arguments) {
  std::vector<EditorSpec> editors;
  // With hyperparameter files, no other editors need to be named.
  const auto list = arguments.editors.empty() ? "" : without_base(arguments.editors);
  if (!list.empty()) editors = parse_editors(list);
  for (const auto& path : arguments.hparams) {
    auto hparams = read_hparams(path);
    log_ignored_keys(path, hparams.ignored);
    editors.push_back(hparams.spec);
  }
  for (auto& editor : editors)
    if (!editor.settings.contains("seed") && editor_info(editor.name).has_setting("seed"))
      editor.settings["seed"] = arguments.common.seed;
  if (!arguments.settings_file.empty())
    apply_settings(editors, read_settings_file(arguments.settings_file));
  apply_pairs(editors, arguments.settings);
  return editors;
}

RunOptions run_options(const BenchArguments& arguments, const Suite& suite) {
  auto options = arguments.run;
  options.protocol = for_suite(make_protocol(arguments.protocol), suite);
  options.protocol.generate_answers = arguments.answers == "generated";
  options.seed = static_cast<uint64_t>(arguments.common.seed);
  options.reuse = !arguments.no_reuse;
  options.facts = {{"limit", arguments.suite_options.limit}, {"device", arguments.common.device}};
  if (arguments.common.dtype != "auto") options.facts["dtype"] = arguments.common.dtype;
  return options;
}

SuiteOptions bench_suite_options(const BenchArguments& arguments) {
  auto options = arguments.suite_options;
  options.seed = static_cast<uint64_t>(arguments.common.seed);
  auto& probes = options.probes;
  probes.rewordings = probes.variants = probes.text_probes = probes.image_probes =
      probes.portability = arguments.probes;
  return options;
}

// Adds a column for each score that compares probabilities, if the suite has alternatives.
void add_preferences(const nlohmann::json& results, std::vector<std::vector<std::string>>& rows) {
  const auto& editors = results.at("editors");
  for (const auto& info : preference_infos()) {
    std::vector<std::string> column;
    bool present = false;
    for (const auto& editor : editors) {
      const auto scores = editor.value("preferences", nlohmann::json::object());
      const auto found = scores.find(info.name);
      present = present || found != scores.end();
      column.push_back(found == scores.end() ? "-" : percent(found->at("score").get<double>()));
    }
    if (!present) continue;
    rows[0].push_back(info.title);
    for (size_t e = 0; e < column.size(); ++e) rows[e + 1].push_back(column[e]);
  }
}

// A table with one row per editor and one column per group. `key` selects the score of a group.
std::string scores_table(const nlohmann::json& results, const char* key) {
  std::vector<Group> present;
  for (auto group : groups())
    for (const auto& editor : results.at("editors"))
      if (editor.at("groups").contains(group_name(group))) {
        present.push_back(group);
        break;
      }
  std::vector<std::vector<std::string>> rows = {{""}};
  for (auto group : present) rows[0].push_back(group_title(group));
  for (const auto& editor : results.at("editors")) {
    std::vector<std::string> row = {editor.at("label").get<std::string>()};
    for (auto group : present) {
      auto found = editor.at("groups").find(group_name(group));
      row.push_back(found == editor.at("groups").end() ? "-"
                                                       : percent(found->at(key).get<double>()));
    }
    rows.push_back(std::move(row));
  }
  if (std::string(key) == "score") add_preferences(results, rows);
  rows[0].insert(rows[0].end(), {"records", "failed"});
  for (size_t e = 0; e + 1 < rows.size(); ++e) {
    const auto& editor = results.at("editors")[e];
    rows[e + 1].push_back(std::to_string(editor.at("records").get<int64_t>()));
    rows[e + 1].push_back(std::to_string(editor.at("failed").size()));
  }
  return table(rows);
}

std::string left_out(const nlohmann::json& suite) {
  std::string text;
  auto whole = suite.at("read").get<int64_t>();
  for (const auto& [reason, count] : suite.at("filtered").items()) {
    if (count != 0) text += fmt::format(", {} left out: {}", count.dump(), reason);
    whole -= count.get<int64_t>();
  }
  if (auto missing = whole - suite.at("kept").get<int64_t>(); missing > 0)
    text += fmt::format(", {} left out because of missing images", missing);
  int64_t dropped = 0;
  auto groups = suite.at("missing_images").value("dropped_probes", nlohmann::json::object());
  for (const auto& [group, count] : groups.items()) dropped += count.get<int64_t>();
  if (dropped > 0) text += fmt::format(", {} probes left out because of missing images", dropped);
  return text;
}

void print_exam(const nlohmann::json& results) {
  if (!results.contains("exam")) return;
  std::vector<std::vector<std::string>> rows = {{"exam", "edits", "right %", "questions"}};
  for (const auto& line : results.at("exam"))
    rows.push_back({line.at("editor").get<std::string>(), line.at("after_edits").dump(),
                    percent(line.at("right").get<double>() / line.at("questions").get<double>()),
                    line.at("questions").dump()});
  std::cout << "\n" << table(rows);
}

void print_results(const nlohmann::json& results, bool both, const ActivationStore& store) {
  const auto& config = results.at("config");
  const auto& suite = config.at("suite");
  std::cout << fmt::format("  suite     {}, {} records{}\n", suite.at("name").get<std::string>(),
                           suite.at("kept").dump(), left_out(suite))
            << fmt::format("  model     {}  ({})\n",
                           config.at("model").at("folder").get<std::string>(),
                           config.at("model").at("fingerprint").get<std::string>())
            << fmt::format("  protocol  {}, {} edits, seed {}\n",
                           config.at("protocol").at("name").get<std::string>(),
                           config.at("mode").get<std::string>(), config.at("seed").dump());
  if (config.at("mode") == "sequential")
    std::cout << fmt::format(
        "  judged    after {} edits, on at most {} earlier edits; the tables show the final "
        "state\n",
        config.at("judge").at("at").dump(), config.at("judge").at("sample").dump());
  const auto& counts = store.counts();
  std::cout << fmt::format("  cache     {} activations from memory, {} from disk, {} computed\n",
                           counts.memory_hits, counts.disk_hits, counts.misses)
            << "\nProtocol scores, percent\n"
            << scores_table(results, "score");
  // The protocol `strict` already scores generated answers.
  both = both && config.at("protocol").at("judged") != "generated";
  if (both) std::cout << "\nGenerated answers, percent\n" << scores_table(results, "generated");
  std::vector<std::vector<std::string>> seconds = {{"seconds per record", "edit", "judge"}};
  for (const auto& editor : results.at("editors")) {
    const auto label = editor.at("label").get<std::string>();
    const auto& timing = results.at("timings").at(label);
    seconds.push_back({label, fmt::format("{:.3f}", timing.value("edit_seconds", 0.0)),
                       fmt::format("{:.3f}", timing.value("judge_seconds", 0.0))});
  }
  std::cout << "\n" << table(seconds);
  print_exam(results);
}

// Other scenes and facts than those of the run.
std::unique_ptr<Suite> exam_suite(const BenchArguments& arguments) {
  if (arguments.exam == 0) return nullptr;
  if (arguments.suite != "scenes")
    throw Error("cli::bench", "only the suite scenes has an exam", "remove --exam");
  auto options = bench_suite_options(arguments);
  options.form = "vqa";
  options.seed += 1;
  options.limit = arguments.exam;
  return open_suite("scenes", options);
}

// Throws emend::Error if editors failed on every record.
void report_failed_editors(const RunOutcome& outcome, const std::string& directory) {
  if (outcome.failed_editors.empty()) return;
  std::vector<std::string> labels;
  bool all = true;
  for (const auto& editor : outcome.results.at("editors")) {
    labels.push_back(editor.at("label").get<std::string>());
    if (outcome.failed_editors.count(labels.back())) continue;
    labels.pop_back();
    all = false;
  }
  const auto parts = error_parts(outcome.failed_editors.at(labels.front()));
  const auto where = all ? fmt::format("'{}' has the errors of all records", directory)
                         : fmt::format("the results of the other editors are in '{}'", directory);
  throw Error("cli::bench",
              fmt::format("{} failed on every record; first error of {}: {}",
                          fmt::join(labels, ", "), labels.front(), parts.problem),
              parts.hint.empty() ? where : parts.hint + "; " + where);
}

void bench(BenchArguments arguments) {
  // All errors in the arguments are found before the model loads.
  auto editors = chosen_editors(arguments);
  nlohmann::json swept;
  if (!arguments.sweep.empty()) {
    auto sweep = parse_sweep(arguments.sweep);
    apply_sweep(editors, sweep);
    swept = {{"editor", sweep.editor}, {"setting", sweep.setting}, {"values", sweep.values}};
  }
  if (arguments.hparams.empty())
    for (const auto& spec : editors) warn_without_effect(spec);
  auto suite = open_suite(arguments.suite, bench_suite_options(arguments));
  auto options = run_options(arguments, *suite);
  if (!swept.is_null()) options.facts["sweep"] = std::move(swept);
  const auto exam = exam_suite(arguments);
  options.exam = exam.get();
  options.exam_questions = arguments.exam;
  options.shared = has_team(arguments.common);
  const bool writes = writes_files();
  if (!writes) options.directory.clear();
  Runner runner(*suite, editors, options);
  const auto team = join_processes(arguments.common, "bench");
  ActivationStore store(arguments.store);
  RunOutcome outcome;
  report_failure(team, [&] {
    auto vlm = open_model(arguments.common, *suite);
    set_bos(vlm, options.protocol);
    if (writes)
      outcome = runner.run(vlm, &store, team.group.get());
    else
      runner.work(vlm, &store, *team.group);
  });
  if (!writes) return;
  const auto& directory = options.directory;
  if (!outcome.finished) {
    std::cerr << fmt::format(
        "emend: stopped after {} of {} records; run the same command again to resume\n",
        outcome.done, outcome.total);
    throw CLI::RuntimeError(128 + InterruptGuard::signal());
  }
  ReportOptions report;
  const auto facts = suite->metadata();
  for (const auto& one : facts.value("suites", nlohmann::json::array({facts})))
    for (const char* root : {"images", "rephrase_images"})
      if (one.contains(root)) report.picture_roots.push_back(one[root].get<std::string>());
  for (const auto& warning : write_report({directory}, directory, report))
    logger().warn("{}", warning);
  if (arguments.common.json) {
    print_json(outcome.results);
  } else {
    bool forced = options.protocol.judged == Protocol::Judged::forced;
    print_results(outcome.results, forced && options.protocol.generate_answers, store);
    std::cout << fmt::format(
        "\n  written   {0}/report.html, table.md, table.csv, table.tex\n"
        "            {0}/results.json, samples.jsonl\n",
        directory);
    for (const auto& path : outcome.patches) std::cout << "            " << path << "\n";
  }
  report_failed_editors(outcome, directory);
}

void add_suite_options(CLI::App& command, BenchArguments& arguments) {
  auto& suite = arguments.suite_options;
  command.add_option("--suite", arguments.suite,
                     "source of the edits; several, separated by commas, are mixed evenly")
      ->check(list_of(suite_names()))
      ->capture_default_str();
  command.add_option("--limit", suite.limit, "maximum number of records; 0: all (scenes: 500)")
      ->check(whole_number(0, kMostRecords));
  add_suite_files(command, suite);
  command
      .add_option("--split", suite.split,
                  "dataset split: eval, train; vlkeb also one-hop, multi-hop; photo-vqa and "
                  "photo-caption also near")
      ->capture_default_str();
  const std::map<std::string, MissingImages> missing = {
      {"refuse", MissingImages::refuse},
      {"skip", MissingImages::skip_records},
      {"skip-probes", MissingImages::skip_probes}};
  command
      .add_option("--missing-images", suite.missing_images,
                  "records with missing images. refuse: list the images and stop; skip: leave the "
                  "records out; skip-probes: leave only the affected probes out")
      ->transform(one_of(missing));
  command.add_flag("--grid", suite.grid,
                   "add the T x I grid: all pairs of edited, similar, unrelated text and picture");
  command
      .add_option("--form", suite.form,
                  "scenes: vqa, caption, both (alternating), or composition (pairs of edits)")
      ->capture_default_str();
  command.add_option("--probes", arguments.probes, "scenes: maximum number of probes per group")
      ->check(whole_number(1, kMostProbes))
      ->capture_default_str();
}

void add_run_options(CLI::App& command, BenchArguments& arguments) {
  auto& run = arguments.run;
  const std::map<std::string, Mode> modes = {
      {"single", Mode::single}, {"sequential", Mode::sequential}, {"batch", Mode::batch}};
  command
      .add_option(
          "--mode", run.mode,
          "single: one edit at a time; sequential: edits accumulate; batch: several edits at once")
      ->transform(one_of(modes));
  command
      .add_option("--batch-size", run.batch_size,
                  "sequential, batch mode: number of records per edit; default: 1 in sequential "
                  "mode, 10 in batch mode")
      ->check(whole_number(1, kMostRecords));
  command
      .add_option("--judge-at", run.judge_at,
                  "sequential mode: judge earlier edits again after each of these edit counts, and "
                  "at the end")
      ->delimiter(',')
      ->check(whole_number(1, kMostRecords))
      ->capture_default_str();
  command
      .add_option("--judge-sample", run.judge_sample,
                  "sequential mode: maximum number of earlier edits to judge")
      ->check(whole_number(1, kMostRecords))
      ->capture_default_str();
  command
      .add_option("-o,--output", run.directory, "output folder; an unfinished run in it is resumed")
      ->required();
  command.add_flag(
      "--save-patches", run.save_patches,
      "sequential, batch mode: save the edits of each editor as a patch in OUTPUT/patches");
  command
      .add_option("--exam", arguments.exam,
                  "scenes, sequential mode: number of questions about other facts to ask before "
                  "the edits and after each edit count of --judge-at")
      ->check(whole_number(0, kMostRecords));
  command.add_flag("--restart", run.restart, "discard the results of an earlier run in OUTPUT");
  command.add_flag("--oracle", run.oracle,
                   "scenes: add an ideal editor, which answers from the stored targets, to show "
                   "how much the edits of a sequence contradict each other");
}

void add_cost_options(CLI::App& command, BenchArguments& arguments) {
  auto& store = arguments.store;
  auto* memory = command
                     .add_option("--cache-memory", store.memory_bytes,
                                 "memory for shared activations, such as 512M or 4G (default: 1G)")
                     ->transform(memory_size());
  auto* folder = command.add_option("--cache-dir", store.directory,
                                    "folder for shared activations, which later runs reuse");
  command
      .add_flag("--no-reuse", arguments.no_reuse,
                "run each probe in a separate pass and share no activations (slow, for comparison)")
      ->excludes(memory)
      ->excludes(folder);
  command
      .add_option(
          "--answers", arguments.answers,
          "answers to record: generated, or forced (faster: top-1 tokens under teacher forcing)")
      ->check(one_of({"generated", "forced"}))
      ->capture_default_str();
}

}  // namespace

void add_bench(CLI::App& program) {
  auto arguments = std::make_shared<BenchArguments>();
  auto* command =
      program.add_subcommand("bench", "Compare editors on many edits and measure the side effects");
  command->footer(R"(
base, the unedited model, is always in the comparison. docs/results.md describes the files in OUTPUT.
Run the same command again to resume a run that was stopped.

--set KEY=VALUE applies to every editor, --set ft.KEY=VALUE to all ft editors, and
--set ft:connector.KEY=VALUE to one editor. A settings file (--settings, YAML or JSON) has the form
{"ft:connector": {"KEY": VALUE}}. --sweep memit.layers=0,1;2,3 separates values that are lists by ';'.

Examples:
  emend bench --limit 20 -o runs/first
  emend bench --editors ft:language,lora --mode sequential --limit 100 --save-patches -o runs/sequential
  emend bench --editors rome --sweep rome.layers=0,1,2,3 --limit 50 -o runs/layers
  emend bench --suite e-vqa --data mmedit --images coco --editors ft:language --set steps=15 -o runs/vqa
  emend bench --suite zsre --data zsre_mend_eval.json --hparams EasyEdit/hparams/FT/llama-7b.yaml -o runs/zsre)");
  add_common(*command, arguments->common);
  add_processes(*command, arguments->common);
  add_suite_options(*command, *arguments);
  auto* editors =
      command
          ->add_option("--editors", arguments->editors,
                       "editors, NAME[:MODULE], separated by commas; default with --hparams: none")
          ->capture_default_str();
  add_protocol_options(*command, arguments->protocol, "evaluation protocol");
  command->add_option("--set", arguments->settings,
                      "[EDITOR.]KEY=VALUE, a setting of one or all editors");
  command->add_option("--settings", arguments->settings_file,
                      "YAML or JSON file of settings by editor");
  command->add_option(
      "--sweep", arguments->sweep,
      "EDITOR.SETTING=VALUE,VALUE,...: compare the editor with each of these values");
  command->add_option(
      "--hparams", arguments->hparams,
      "EasyEdit hyperparameter file that defines an editor; may be given several times");
  add_run_options(*command, *arguments);
  add_cost_options(*command, *arguments);
  command->callback([arguments, command, editors] {
    check_suite_options(*command, arguments->suite);
    if (editors->empty() && !arguments->hparams.empty()) arguments->editors.clear();
    bench(*arguments);
  });
}

}  // namespace emend::cli
