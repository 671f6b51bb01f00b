#include "cli/commands/edit/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "cli/reports/table.h"
#include "evaluation/edits/report/failure.h"
#include "evaluation/edits/report/suggestions.h"
#include "io/runtime.h"
#include "io/strings/counted.h"
#include "io/strings/shell.h"

namespace emend::cli {
namespace {

// The part of the model that an editor with these settings changes; empty if unknown.
std::string edited_part(const nlohmann::json& settings) {
  if (!settings.is_object()) return {};
  for (const char* name : {"sites", "module"})
    if (settings.contains(name) && settings[name] != "") {
      const auto part = settings[name].get<std::string>();
      return part == "repaired" || part == "paper" ? " (" + part + ")" : " on " + part;
    }
  return {};
}

// The `emend ask` command that repeats the question with the patch.
std::string ask_command(const EditArguments& arguments, const EditReport& report) {
  const auto& edit = report.job.edits.front();
  std::string command = "emend ask";
  if (!arguments.common.model.empty()) command += " -m " + shell_quoted(arguments.common.model);
  if (edit.question.image.present())
    command += " --image " + shell_quoted(edit.question.image.path);
  command += " -p " + shell_quoted(edit.question.prompt);
  const bool wraps = report.vlm.processor.wraps(edit.question.image.present());
  if (edit.protocol.question_template != prompt_template({}, edit.question.prompt, wraps))
    command += edit.protocol.question_template == "{}"
                   ? " --bare"
                   : " --template " + shell_quoted(edit.protocol.question_template);
  const auto room = max_answer_tokens(report.vlm, edit.question.target);
  if (room > GenerationOptions().max_new_tokens)
    command += fmt::format(" --max-new-tokens {}", room);
  for (const auto& path : arguments.patches) command += " --patch " + shell_quoted(path);
  return command + " --patch " + shell_quoted(report.output);
}

void print_failure(const EditReport& report, const EditVerdict& edit) {
  const auto& question = report.job.edits[static_cast<size_t>(&edit - report.outcome.edits.data())];
  std::cout << fmt::format("The edit does not hold: the model answers \"{}\", not \"{}\".\n",
                           edit.after, question.question.target);
  if (report.outcome.edits.size() > 1) std::cout << fmt::format("  prompt    {}\n", edit.prompt);
  std::cout << fmt::format("  reason    {}\n", failure_reason(edit));
  if (const auto curve = loss_curve(edit.effect); !curve.empty())
    std::cout << fmt::format("  loss      {}\n", curve);
  constexpr size_t kShown = 5;
  const auto tokens = failed_token_lines(edit);
  for (size_t i = 0; i < std::min(kShown, tokens.size()); ++i)
    std::cout << fmt::format("  {:<9} {}\n", i == 0 ? "wrong" : "", tokens[i]);
  if (tokens.size() > kShown)
    std::cout << fmt::format("            and {} more tokens\n", tokens.size() - kShown);
}

void print_failures(const EditReport& report) {
  constexpr size_t kShown = 5;
  const EditVerdict* first = nullptr;
  size_t failed = 0;
  for (const auto& edit : report.outcome.edits) {
    if (edit.holds) continue;
    if (!first) first = &edit;
    if (++failed <= kShown) print_failure(report, edit);
  }
  if (!first) return;
  if (failed > kShown)
    std::cout << fmt::format("{} more edits do not hold; see below.\n", failed - kShown);
  const char* title = "try";
  for (const auto& option : suggestions(report, *first)) {
    std::cout << fmt::format("  {:<9} {}\n", title, option);
    title = "";
  }
  std::cout << (report.written ? fmt::format("  patch     written anyway: {}\n", report.output)
                               : "  patch     not written, because nothing was changed\n")
            << "\n";
}

void print_scores(const EditReport& report) {
  const auto& scores = report.outcome.scores;
  std::vector<std::vector<std::string>> rows = {{"", "score %", "generated %", "probes"}};
  std::string missing;
  for (auto group : groups()) {
    auto found = scores.find(group);
    if (found == scores.end()) {
      if (group == Group::text_generality) missing += "  T-Generality needs --rephrase TEXT\n";
      if (group == Group::image_generality)
        missing += "  M-Generality needs a picture, or --rephrase-image FILE\n";
      if (group == Group::portability)
        missing += "  Portability needs --follows \"QUESTION => ANSWER\"\n";
      continue;
    }
    const auto& score = found->second;
    rows.push_back({group_title(group), percent(score.score), percent(score.generated),
                    std::to_string(score.probes)});
  }
  std::cout << "\n" << table(rows) << missing;
  for (auto group : groups())
    if (scores.count(group))
      std::cout << fmt::format("  {} was measured on {}\n", group_title(group),
                               measured_on(group, report.job));
}

void print_edits(const EditReport& report) {
  const auto& edits = report.outcome.edits;
  if (edits.size() == 1) {
    std::cout << fmt::format("  prompt    {}\n", edits[0].prompt)
              << fmt::format("  before    {}\n", edits[0].before)
              << fmt::format("  target    {}\n", report.job.edits[0].question.target)
              << fmt::format("  after     {}\n", edits[0].after);
    if (const auto& effect = edits[0].effect; effect.contains("loss_before"))
      std::cout << fmt::format(
          "  loss      {:.3f} -> {:.3f} in {}\n", effect["loss_before"].get<double>(),
          effect["loss_after"].get<double>(), counted(effect["steps"].get<int64_t>(), "step"));
    return;
  }
  const auto held =
      std::count_if(edits.begin(), edits.end(), [](const EditVerdict& edit) { return edit.holds; });
  std::cout << fmt::format("  edits     {}, {}; {} hold\n\n", edits.size(),
                           report.job.sequential ? "one after another" : "as one batch edit", held);
  std::vector<std::vector<std::string>> rows = {{"prompt", "before", "target", "after", "holds"}};
  for (size_t i = 0; i < edits.size(); ++i)
    rows.push_back({edits[i].prompt, edits[i].before, report.job.edits[i].question.target,
                    edits[i].after, edits[i].holds ? "yes" : "no"});
  std::cout << table(rows);
}

// Whether the edits of --patch still hold.
void print_earlier(const EditReport& report) {
  const auto& earlier = report.outcome.earlier;
  if (earlier.empty()) return;
  size_t hold = 0, lost = 0, replaced = 0, never = 0, unasked = 0;
  std::string problem;
  std::vector<std::vector<std::string>> rows = {
      {"earlier edit that no longer holds", "target", "before", "after"}};
  std::vector<std::vector<std::string>> superseded = {
      {"earlier edit that this one replaces", "target", "after"}};
  for (const auto& edit : earlier) {
    if (!edit.problem.empty()) {
      if (unasked++ == 0) problem = edit.problem;
    } else if (edit.replaced) {
      ++replaced;
      superseded.push_back({edit.prompt, edit.target, edit.after});
    } else if (edit.holds) {
      ++hold;
    } else if (!edit.held) {
      ++never;
    } else {
      ++lost;
      rows.push_back({edit.prompt, edit.target, edit.before, edit.after});
    }
  }
  auto line = fmt::format("  earlier   {}, asked again: {} hold{}",
                          counted(static_cast<int64_t>(earlier.size()), "edit"), hold,
                          hold == 1 ? "s" : "");
  if (lost > 0) line += fmt::format(", {} no longer hold{}", lost, lost == 1 ? "s" : "");
  if (never > 0) line += fmt::format(", {} did not hold before", never);
  if (replaced > 0) line += fmt::format(", {} replaced by this edit", replaced);
  if (unasked > 0) line += fmt::format(", {} could not be asked ({})", unasked, problem);
  std::cout << line << "\n";
  if (replaced > 0) std::cout << "\n" << table(superseded);
  if (lost > 0) std::cout << "\n" << table(rows);
}

void print_details(const EditReport& report) {
  std::vector<std::vector<std::string>> rows = {{"probe", "before", "after", "expected"}};
  for (const auto& edit : report.outcome.edits)
    for (const auto& probe : edit.measured.probes)
      rows.push_back({std::string(group_title(probe.query.group)) + "  " + probe.query.prompt,
                      probe.before, probe.after, probe.query.expected});
  std::cout << "\n" << table(rows);
}

}  // namespace

void print_report(const EditArguments& arguments, const EditReport& report) {
  const auto& patch = report.outcome.patch;
  print_failures(report);
  std::cout << fmt::format("  model     {}  ({})\n", report.vlm.folder, patch.base);
  for (const auto& path : arguments.patches) std::cout << fmt::format("  on top of {}\n", path);
  const auto entries = patch.memory.entries.size();
  const auto sites = static_cast<int64_t>(patch.deltas.size());
  std::cout << fmt::format(
      "  editor    {}{}, {}\n", patch.editor, edited_part(patch.settings),
      entries > 0 ? fmt::format("{} entr{} stored", entries, entries == 1 ? "y" : "ies")
                  : counted(sites, "site") + " changed");
  print_edits(report);
  print_earlier(report);
  print_scores(report);
  if (arguments.details || arguments.common.verbose) print_details(report);
  std::cout << fmt::format("\n  protocol  {}, seed {}\n", report.job.edits.front().protocol.name,
                           arguments.common.seed);
  if (report.written)
    std::cout << fmt::format("  patch     {}  (id {})\n", report.output, patch.id)
              << fmt::format("  ask       {}\n", ask_command(arguments, report));
  std::cout << fmt::format("  time      {:.1f} s, of which the edit {:.1f} s; peak memory {} MB\n",
                           report.seconds, report.outcome.seconds, peak_resident_bytes() >> 20);
}

}  // namespace emend::cli
