#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iostream>

#include "cli/command.h"
#include "cli/commands/edit/arguments.h"
#include "cli/commands/edit/progress.h"
#include "cli/commands/edit/report.h"
#include "evaluation/edits/edit_setup.h"
#include "evaluation/edits/sequence/edit_snapshots.h"
#include "io/error.h"
#include "io/log.h"
#include "io/runtime.h"

namespace emend::cli {
namespace {

constexpr int kDoesNotHold = 3;  // exit status

void check_given(const CLI::App& command, const EditArguments& arguments) {
  if (!arguments.file.empty()) return;
  for (const char* name : {"--prompt", "--target"})
    if (!command.count(name))
      throw Error("cli::edit", fmt::format("{} is required", name),
                  "give a question and the desired answer, or a file of edits (--edits FILE)");
}

void edit(const CLI::App& command, const EditArguments& arguments) {
  const auto begin = std::chrono::steady_clock::now();
  EditProgress progress;
  // All errors in the arguments are found before the model loads.
  check_given(command, arguments);
  check_output(arguments);
  const auto& hparams = arguments.choice.hparams;
  if (!hparams.empty()) log_ignored_keys(hparams, read_hparams(hparams).ignored);
  const auto spec = chosen_editor(arguments.choice);
  if (hparams.empty()) warn_without_effect(spec);
  const auto editor = make_editor(spec.name, spec.settings);
  std::vector<std::string> ignored;
  auto questions = chosen_edits(arguments, ignored);

  progress.part(fmt::format("loading the model {}", model_folder(arguments.common)));
  auto vlm = open_model(arguments.common);
  const auto base = open_patches(vlm, arguments.patches);
  check_pictures(vlm, questions);
  EditJob job;
  job.editor = editor.get();
  job.sequential = arguments.sequential;
  job.snapshots = snapshots_folder(arguments);
  job.base = &base;
  job.defaults = default_probes_for(vlm, questions, arguments.probes);
  job.seed = static_cast<uint64_t>(arguments.common.seed);
  for (auto& question : questions) {
    auto protocol = edit_protocol(make_protocol(arguments.protocol), arguments.as_asked,
                                  arguments.prompting, editor->name(), question, vlm.processor);
    set_bos(vlm, protocol);  // the same for every edit
    job.edits.push_back({std::move(question), std::move(protocol)});
  }
  job.on_part = [&](const std::string& name) { progress.part(name); };
  job.on_step = [&](int64_t step, int64_t steps, double loss) { progress.step(step, steps, loss); };
  job.on_edited = [&](const nlohmann::json& effect) { progress.edited(effect); };
  job.on_probes = [&](size_t probes) { progress.probes(static_cast<int64_t>(probes)); };
  auto outcome = run_edits(vlm, job);
  progress.finish();
  if (outcome.interrupted_after) {
    std::cerr << fmt::format(
        "emend: stopped after {} of {} edits; run the same command again to continue\n",
        *outcome.interrupted_after, job.edits.size());
    throw CLI::RuntimeError(128 + InterruptGuard::signal());
  }

  EditReport report{vlm, job, outcome, arguments.choice, arguments.output};
  report.facts = run_facts(arguments.common, vlm.precision);
  if (!arguments.file.empty()) report.ignored_fields = ignored;
  report.written = outcome.changed() || outcome.holds();
  outcome.patch.effect["metrics"] = metrics_json(vlm, job, outcome);
  outcome.patch.id = patch_id(outcome.patch);
  if (report.written) save_patch(arguments.output, outcome.patch);
  if (job.sequential) EditSnapshots(job.snapshots, 0).remove();
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (arguments.common.json)
    print_json(report_json(report));
  else
    print_report(arguments, report);
  const auto lost = std::count_if(outcome.earlier.begin(), outcome.earlier.end(),
                                  [](const EarlierEdit& edit) { return edit.lost(); });
  if (lost > 0)
    logger().warn("{} of --patch no longer hold{}", counted(lost, "earlier edit"),
                  lost == 1 ? "s" : "");
  if (!outcome.holds() && !arguments.allow_failed) {
    logger().warn("the edit does not hold; exit status {} (0 with --allow-failed)", kDoesNotHold);
    throw CLI::RuntimeError(kDoesNotHold);
  }
}

void set_group(const std::string& name, const std::vector<CLI::Option*>& options) {
  for (auto* option : options) option->group(name);
}

void add_edits(CLI::App& command, EditArguments& arguments) {
  auto* image =
      command.add_option("--image", arguments.image, "picture that the question is about");
  auto* text = command.add_option("-p,--prompt", arguments.text, "question, or text to continue");
  auto* target = command.add_option("--target", arguments.target, "desired answer");
  auto* subject =
      command.add_option("--subject", arguments.subject,
                         "words of the question that the fact is about, for rome, memit and "
                         "alphaedit (default: unknown)");
  auto* rephrase = command.add_option("--rephrase", arguments.rephrasings,
                                      "another wording of the question, to measure T-Generality");
  auto* other = command.add_option("--rephrase-image", arguments.other_images,
                                   "another picture of the same subject, to measure M-Generality");
  auto* follows = command.add_option(
      "--follows", arguments.follows,
      "\"QUESTION => ANSWER\" that must follow from the edit, to measure Portability");
  auto* file = command.add_option("--edits", arguments.file,
                                  "file of several edits, a JSON array or JSON Lines");
  for (auto* one : {image, text, target, subject, rephrase, other, follows}) file->excludes(one);
  auto* sequential =
      command.add_flag("--sequential", arguments.sequential,
                       "make the edits of --edits one after another, not as one batch edit");
  sequential->needs(file);
  auto* patch = command.add_option("--patch", arguments.patches,
                                   "patch to edit on top of; may be given several times");
  auto* output =
      command.add_option("-o,--output", arguments.output, "patch file to write")->required();
  set_group("What to change", {image, text, target, subject, rephrase, other, follows, file,
                               sequential, patch, output});
}

void add_editor(CLI::App& command, EditArguments& arguments) {
  auto* editor = command.add_option("--editor", arguments.choice.editor,
                                    "editor: ft, lora, mend, ... (emend editors lists them)");
  auto* sites = command.add_option("--sites", arguments.choice.sites,
                                   "linear layers to change, a glob (emend inspect lists them)");
  auto* module = command.add_option(
      "--module", arguments.choice.module,
      "part of the model to change: language, connector, projector or vision_tower");
  module->excludes(sites);
  auto* set =
      command.add_option("--set", arguments.choice.settings, "NAME=VALUE, a setting of the editor");
  auto* settings = command.add_option("--settings", arguments.choice.settings_file,
                                      "YAML or JSON file of settings by editor");
  auto* hparams = command.add_option("--hparams", arguments.choice.hparams,
                                     "EasyEdit hyperparameter file, instead of --editor");
  hparams->excludes(editor)->excludes(module);
  set_group("How to change it", {editor, module, sites, set, settings, hparams});
}

void add_measuring(CLI::App& command, EditArguments& arguments) {
  add_protocol_options(
      command, arguments.protocol,
      "evaluation protocol; default: mmedit-2024 with the BOS token that `emend ask` "
      "uses");
  auto* locality = command.add_option(
      "--locality", arguments.locality,
      "question whose answer must not change; \"QUESTION => ANSWER\" adds the correct answer");
  auto* images =
      command.add_option("--locality-image", arguments.locality_images,
                         "picture for all --locality questions, or one for each question");
  auto* file = command.add_option("--locality-file", arguments.locality_file,
                                  "file of locality questions, a JSON array or JSON Lines");
  auto* probes = command.add_option(
      "--probes", arguments.probes,
      "number of default locality questions for each of T-Locality and M-Locality");
  probes->check(whole_number(1, kMostProbes))->capture_default_str();
  auto* details =
      command.add_flag("--details", arguments.details, "print the answers to every probe");
  auto* allow = command.add_flag("--allow-failed", arguments.allow_failed,
                                 "exit with status 0 when the edit does not hold");
  set_group("How to measure it", {command.get_option("--protocol"), command.get_option("--bos"),
                                  command.get_option("--ranking-dtype"), locality, images, file,
                                  probes, details, allow});
}

}  // namespace

void add_edit(CLI::App& program) {
  auto arguments = std::make_shared<EditArguments>();
  auto* command =
      program.add_subcommand("edit", "Edit an answer of a model and measure the side effects");
  command->footer(R"(
The result is a patch: a file that contains only the changes. The files of the model are never
changed. The edit holds if the edited model generates the target. If the edit does not hold, the
report starts with the reason and with suggestions, and the exit status is 3. The patch is written
in both cases.

The report measures Reliability (the question itself), T-Generality (other wordings), M-Generality
(other pictures), Portability (consequences), and T- and M-Locality (unrelated questions without and
with a picture). Your locality questions replace the default questions: facts and pictures of Scenes
for the bundled model, general questions and photos for other models.

With --patch, the questions of the earlier edits are asked before and after the new edit, and the
report names the earlier edits that no longer hold.

A file of edits (--edits) contains objects with the fields prompt, target, image, rephrase,
rephrase_image, locality and follows. The fields of MMEdit files (src, alt, loc, ...) are supported,
too. Names of pictures are relative to the folder of the file. With --sequential, the edits are saved
in OUTPUT.edits from time to time. After an interrupt, run the same command again to continue. The
file may have other edits after those that are saved.

emend editors lists the editors and their settings.

Examples:
  emend edit --image scenes/images/scenes_eval_000000.png -p "How many shapes are there?" \
    --target 7 -o seven.patch
  emend edit -p "Where does Mipo live?" --target "the sea" -o sea.patch --editor lora
  emend edit -p "Where does Mipo live?" --target "the sea" -o sea.patch \
    --rephrase "In which place is Mipo at home?" --locality "Where does Fozzim live?"
  emend edit -p "Where does Mipo live?" --target sea --editor ike --set k=0 -o ike.patch
  emend edit --edits edits.jsonl --sequential -o all.patch --json
  emend edit -p "Where does Fozzim live?" --target "the hill" --patch sea.patch -o both.patch)");
  add_common(*command, arguments->common);
  add_prompt_options(*command, arguments->prompting);
  add_edits(*command, *arguments);
  add_editor(*command, *arguments);
  add_measuring(*command, *arguments);
  command->callback([command, arguments] {
    arguments->as_asked = command->count("--protocol") == 0;
    arguments->choice.seed = arguments->common.seed;
    edit(*command, *arguments);
  });
}

}  // namespace emend::cli
