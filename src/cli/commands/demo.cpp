#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>

#include "cli/command.h"
#include "cli/reports/table.h"
#include "editing/editor.h"
#include "editing/patches/patch_stack.h"
#include "evaluation/probes/scenes_probes.h"
#include "io/error.h"
#include "io/files/path.h"
#include "io/files/writable.h"
#include "io/progress.h"
#include "io/runtime.h"

namespace emend::cli {
namespace {

struct DemoArguments {
  Common common;
  int edits = 50;
  std::string output = "demo";
  std::vector<std::string> settings;
};

const std::vector<std::string> kModules = {"language", "connector"};

std::unique_ptr<Editor> ft(const DemoArguments& arguments, const std::string& module) {
  auto settings = editor_settings(arguments.settings);
  settings["module"] = module;
  settings["seed"] = arguments.common.seed;
  return make_editor("ft", settings);
}

EditRequest request_of(const Protocol& protocol, const Record& record) {
  return {record.image, edit_prompt(protocol, record), continuation(protocol, record.target)};
}

Query query_of(const Protocol& protocol, const Record& record) {
  return {record.image.load(), edit_prompt(protocol, record)};
}

// (T, V): the logits of the edit's own question, for a comparison bit by bit.
at::Tensor logits_of(const Vlm& vlm, const Protocol& protocol, const Record& record,
                     const Interventions& interventions) {
  at::NoGradGuard no_grad;
  return teacher_force(vlm, {query_of(protocol, record)}, {continuation(protocol, record.target)},
                       interventions)
      .at(0)
      .logits;
}

// Up to half of the edits are real mistakes of the model. The others are counterfactual, because
// these have portability probes.
struct Edits {
  std::vector<Record> records;
  size_t errors = 0, asked = 0;
};

Edits find_edits(const Vlm& vlm, const Protocol& protocol, const DemoArguments& arguments) {
  ErrorSearch search;
  search.seed = static_cast<uint64_t>(arguments.common.seed);
  search.count = static_cast<size_t>(arguments.edits + 1) / 2;
  search.limit = 16 * 100;
  search.probes = {2, 2, 3, 3, 3};
  Edits edits;
  edits.records = find_errors(vlm, search, protocol, &edits.asked);
  edits.errors = edits.records.size();
  // Questions come before captions, because short answers are easier to read.
  std::stable_partition(edits.records.begin(), edits.records.end(),
                        [](const Record& r) { return r.prompt.back() == '?'; });
  for (uint64_t i = 0; edits.records.size() < static_cast<size_t>(arguments.edits); ++i)
    edits.records.push_back(
        scenes::counterfactual(scenes::Split::eval, search.seed + i, search.probes));
  return edits;
}

void show_first(const Vlm& vlm, const Protocol& protocol, Record& record,
                const DemoArguments& arguments, PatchStack& stack) {
  namespace fs = std::filesystem;
  make_folders(arguments.output);
  auto picture = (fs::path(arguments.output) / "picture.png").string();
  write_png(picture, record.image.load());
  record.image.path = picture;
  auto query = query_of(protocol, record);
  auto before = generate(vlm, {query}).at(0);
  std::cout << fmt::format("  picture   {}\n", picture)
            << fmt::format("  question  {}\n", record.prompt)
            << fmt::format("  answer    {}\n", before)
            << fmt::format("  target    {}\n\n", record.target);
  for (const auto& module : kModules) {
    auto begin = std::chrono::steady_clock::now();
    auto patch = ft(arguments, module)->edit(vlm, {request_of(protocol, record)});
    auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    auto path = (fs::path(arguments.output) / (module + ".patch")).string();
    save_patch(path, patch);
    PatchStack alone;
    alone.apply(vlm, load_patch(path));
    auto after = generate(vlm, {query}, alone.interventions(vlm)).at(0);
    std::cout << fmt::format("  ft {:<9} -> {}   ({}, {:.2f} s, {} sites; {})\n", module, after,
                             counted(patch.effect["steps"].get<int64_t>(), "step"), seconds,
                             patch.deltas.size(), path);
    stack.apply(vlm, std::move(patch));
  }
}

void compare(const Vlm& vlm, const Protocol& protocol, const Edits& edits,
             const DemoArguments& arguments) {
  std::map<std::string, Averages> averages;
  Progress progress("edits", static_cast<int64_t>(edits.records.size()));
  for (const auto& record : edits.records) {
    auto baseline = measure_baseline(vlm, record, protocol);
    averages["base"].add(measure(vlm, baseline, {}));
    for (const auto& module : kModules) {
      auto patch = ft(arguments, module)->edit(vlm, {request_of(protocol, record)});
      averages[module].add(measure(vlm, baseline, patch.interventions(vlm)));
    }
    progress.advance();
  }
  auto base = averages["base"].scores(), language = averages["language"].scores(),
       connector = averages["connector"].scores();
  std::vector<std::vector<std::string>> rows = {{"", "base", "ft language", "ft connector",
                                                 "|  generated: base", "ft language",
                                                 "ft connector", "probes"}};
  for (auto group : groups()) {
    if (!base.count(group)) continue;
    rows.push_back({group_title(group), percent(base[group].score), percent(language[group].score),
                    percent(connector[group].score), percent(base[group].generated),
                    percent(language[group].generated), percent(connector[group].generated),
                    std::to_string(base[group].probes)});
  }
  std::cout << table(rows);
}

// Removes the patches in the order in which they were applied and checks that nothing changed.
void revert(const Vlm& vlm, const Protocol& protocol, const Record& record, PatchStack& stack,
            const at::Tensor& logits, const std::string& answer, const std::string& fingerprint) {
  auto edited = logits_of(vlm, protocol, record, stack.interventions(vlm));
  std::cout << fmt::format("  both patches applied: largest logit change {:.3f}\n",
                           (edited - logits).abs().max().item<double>());
  while (!stack.patches().empty()) stack.remove(stack.patches().front().id);
  auto left = logits_of(vlm, protocol, record, stack.interventions(vlm));
  auto now = generate(vlm, {query_of(protocol, record)}, stack.interventions(vlm)).at(0);
  bool same = at::equal(left, logits) && now == answer && vlm.fingerprint() == fingerprint;
  std::cout << fmt::format("  both patches removed: answer {}, {} logits {}, fingerprint {}\n", now,
                           left.numel(), at::equal(left, logits) ? "bit-identical" : "DIFFERENT",
                           vlm.fingerprint() == fingerprint ? fingerprint : "DIFFERENT");
  if (!same)
    throw Error("cli::demo", "internal error: the model differs after all patches were removed",
                "please report this");
}

void demo(const DemoArguments& arguments) {
  auto begin = std::chrono::steady_clock::now();
  const auto& common = arguments.common;
  check_writable_folder(arguments.output);
  auto vlm = open_model(common);
  Protocol protocol;
  auto fingerprint = vlm.fingerprint();
  std::cout << fmt::format("  model     {}  ({})\n  seed      {}\n", vlm.folder, fingerprint,
                           common.seed);
  auto edits = find_edits(vlm, protocol, arguments);
  std::cout << fmt::format("  asked {} questions about held-out scenes, {} answers were wrong\n\n",
                           edits.asked, edits.errors);
  auto& first = edits.records.front();
  std::cout << (edits.errors > 0 ? "A real mistake, corrected\n" : "A counterfactual edit\n");
  auto answer = generate(vlm, {query_of(protocol, first)}).at(0);
  auto logits = logits_of(vlm, protocol, first, {});
  PatchStack stack;
  show_first(vlm, protocol, first, arguments, stack);

  std::cout << fmt::format(
      "\nSide effects: {} edits ({} real mistakes, {} counterfactual), one at a time\n"
      "(protocol {}, percent: teacher-forced, then generated answers)\n",
      edits.records.size(), edits.errors, edits.records.size() - edits.errors, protocol.name);
  std::cout.flush();
  compare(vlm, protocol, edits, arguments);

  std::cout << "\nReverting\n";
  revert(vlm, protocol, first, stack, logits, answer, fingerprint);
  std::cout << fmt::format(
      "\n  {:.0f} s, peak memory {} MB\n",
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(),
      peak_resident_bytes() >> 20);
}

}  // namespace

void add_demo(CLI::App& program) {
  auto arguments = std::make_shared<DemoArguments>();
  auto* command = program.add_subcommand(
      "demo", "Find a mistake of the bundled model, correct it, measure the side effects, revert");
  command->footer(R"(
Examples:
  emend demo
  emend demo --edits 20 --seed 3 -o demo3
  emend demo --set steps=30)");
  add_common(*command, arguments->common);
  command->remove_option(command->get_option("--json"));
  command->add_option("--edits", arguments->edits, "number of edits to measure")
      ->check(whole_number(1, 10000));
  command->add_option("-o,--output", arguments->output,
                      "output folder for the picture and the patches");
  command->add_option("--set", arguments->settings, "NAME=VALUE, a setting of the editor ft");
  command->callback([arguments] { demo(*arguments); });
}

}  // namespace emend::cli
