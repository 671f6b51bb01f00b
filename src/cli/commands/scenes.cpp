#include <fmt/format.h>

#include <iostream>

#include "cli/command.h"
#include "evaluation/probes/scenes_probes.h"
#include "io/error.h"
#include "io/files/writable.h"
#include "suites/suite.h"

namespace emend::cli {
namespace {

struct ScenesArguments {
  Common common;
  std::string output, split = "eval", kind = "counterfactual", form = "vqa";
  int count = 100;
};

scenes::Split split_named(const std::string& name) {
  if (name == "pretrain") return scenes::Split::pretrain;
  return name == "train" ? scenes::Split::train : scenes::Split::eval;
}

void export_scenes(const ScenesArguments& arguments) {
  const auto& common = arguments.common;
  check_writable_folder(arguments.output);
  auto name = "scenes_" + arguments.split;
  auto seed = static_cast<uint64_t>(common.seed);
  size_t exported = 0, asked = 0;
  std::optional<Precision> precision;
  if (arguments.kind == "errors") {
    auto vlm = open_model(common);
    precision = vlm.precision;
    ErrorSearch search;
    search.split = split_named(arguments.split);
    search.seed = seed;
    search.count = static_cast<size_t>(arguments.count);
    search.limit = 200 * search.count;
    auto records = find_errors(vlm, search, {}, &asked);
    if (records.empty())
      throw Error("cli::scenes", fmt::format("the model made no mistake in {} questions", asked),
                  "use another --seed, or --kind counterfactual");
    scenes::export_mmedit(arguments.output, records, name);
    exported = records.size();
  } else {
    prepare(common);
    SuiteOptions options;
    options.split = arguments.split;
    options.limit = static_cast<size_t>(arguments.count);
    options.seed = seed;
    options.form = arguments.form;
    auto suite = open_suite("scenes", options);
    scenes::export_mmedit(
        arguments.output, suite->size(), [&](size_t i) { return suite->record(i); }, name);
    exported = suite->size();
  }
  if (common.json) {
    auto result = run_facts(common, precision);
    result["records"] = exported;
    result["kind"] = arguments.kind;
    result["split"] = arguments.split;
    result["directory"] = arguments.output;
    if (asked > 0) result["questions_asked"] = asked;
    print_json(result);
    return;
  }
  std::cout << fmt::format("  {} {} edits of split {}, seed {}, in {}\n", exported, arguments.kind,
                           arguments.split, common.seed, arguments.output);
  if (asked > 0) std::cout << fmt::format("  the model was asked {} questions\n", asked);
}

}  // namespace

void add_scenes(CLI::App& program) {
  auto* scenes = program.add_subcommand(
      "scenes", "Export data of Scenes, the bundled generator of pictures and questions");
  scenes->require_subcommand(1);
  scenes->footer(R"(
Scenes generates drawn pictures with questions. The bundled model was trained on them.

Examples:
  emend scenes export -o edits --count 100 --seed 1
  emend scenes export --help)");
  auto arguments = std::make_shared<ScenesArguments>();
  auto* command = scenes->add_subcommand(
      "export", "Write edits with their probes as MMEdit JSON and PNG pictures");
  command->footer(R"(
Writes DIR/scenes_SPLIT.json (src, rephrase, pred, alt, image, image_rephrase, loc, loc_ans, m_loc,
m_loc_q, m_loc_a, port_new) and DIR/images/, which other tools for MMEdit data can read.
The edits are those of the suite `scenes` with the same split, form and seed.

Examples:
  emend scenes export -o edits --split eval --count 100 --seed 1
  emend scenes export -o errors --split eval --count 50 --kind errors     the model's real mistakes)");
  add_common(*command, arguments->common);
  command->add_option("-o,--output", arguments->output, "output folder")->required();
  command->add_option("--split", arguments->split, "dataset split")
      ->check(one_of({"pretrain", "train", "eval"}));
  command->add_option("--count", arguments->count, "number of edits")
      ->check(whole_number(1, 1000000));
  command
      ->add_option("--kind", arguments->kind,
                   "counterfactual: the target contradicts the picture; errors: the model (-m) "
                   "answers wrongly")
      ->check(one_of({"counterfactual", "errors"}));
  command
      ->add_option("--form", arguments->form,
                   "counterfactual edits: questions (vqa) or captions (caption)")
      ->check(one_of({"vqa", "caption"}));
  command->callback([arguments] { export_scenes(*arguments); });
}

}  // namespace emend::cli
