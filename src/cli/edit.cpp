#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <iostream>

#include "cli/command.h"
#include "cli/table.h"
#include "editing/hparams.h"
#include "editing/patch_stack.h"
#include "editing/registry.h"
#include "editing/settings_file.h"
#include "evaluation/scenes_probes.h"
#include "io/error.h"
#include "io/log.h"
#include "io/runtime.h"

namespace emend::cli {
namespace {

struct Arguments {
  Common common;
  PromptOptions prompting;
  std::string editor = "ft", image, text, target, output, module, sites, hparams, settings_file;
  std::vector<std::string> settings, rephrasings, other_images, follows;
  int probes = 20;
  bool details = false;
};

using Clock = std::chrono::steady_clock;
double since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

EditorSpec chosen_editor(const Arguments& arguments) {
  std::vector<EditorSpec> chosen;
  if (!arguments.hparams.empty()) {
    auto hparams = read_hparams(arguments.hparams);
    log_ignored_keys(arguments.hparams, hparams.ignored);
    chosen = {hparams.spec};
  } else {
    auto module = arguments.module.empty() ? "" : ":" + arguments.module;
    chosen = parse_editors(arguments.editor + module);
  }
  if (chosen.size() != 1)
    throw Error("cli::edit", fmt::format("'{}' are several editors", arguments.editor),
                "choose one; `emend bench` compares several");
  auto& spec = chosen.front();
  if (!spec.settings.contains("seed") && editor_kind(spec.name).has_setting("seed"))
    spec.settings["seed"] = arguments.common.seed;
  if (!arguments.settings_file.empty())
    apply_settings(chosen, read_settings_file(arguments.settings_file));
  if (!arguments.sites.empty()) spec.settings["sites"] = arguments.sites;
  apply_pairs(chosen, arguments.settings);
  return spec;
}

// Which part of the model an editor with these settings changes, if it says.
std::string edited_part(const nlohmann::json& settings) {
  for (const char* name : {"sites", "module"})
    if (settings.contains(name) && settings[name] != "")
      return " on " + settings[name].get<std::string>();
  return {};
}

// "QUESTION => ANSWER".
std::pair<std::string, std::string> consequence(const std::string& text) {
  auto arrow = text.find(" => ");
  if (arrow == 0 || arrow == std::string::npos || arrow + 4 == text.size())
    throw Error("cli::edit", fmt::format("--follows '{}' is no QUESTION => ANSWER", text),
                "for example --follows \"Is the star red? => yes\"");
  return {text.substr(0, arrow), text.substr(arrow + 4)};
}

// An edit takes a while: find out before that its patch cannot be written.
void check_output(const std::string& path) {
  namespace fs = std::filesystem;
  auto folder = fs::path(path).parent_path();
  std::error_code error;
  if (fs::is_directory(path, error))
    throw Error("cli::edit", fmt::format("'{}' is a folder", path), "-o names the file to write");
  if (!folder.empty() && !fs::is_directory(folder, error))
    throw Error("cli::edit", fmt::format("there is no folder '{}'", folder.string()),
                "make it first, or write the patch elsewhere (-o)");
}

// What each number was measured on, in the reader's words.
std::string measured_on(Group group, const Arguments& arguments) {
  switch (group) {
    case Group::reliability:
      return "the question itself";
    case Group::text_generality:
      return arguments.rephrasings.empty() ? "Scenes' other wordings" : "your rephrasings";
    case Group::image_generality:
      return arguments.other_images.empty()
                 ? "altered copies of the picture (moved, zoomed, lighter, darker, noisy)"
                 : "your other pictures";
    case Group::both_generality:
      return "both reworded and seen otherwise";
    case Group::random_image_locality:
      return "the question about unrelated pictures";
    case Group::no_image_locality:
      return "the question without a picture";
    case Group::consistent_image_locality:
      return "other questions about the picture";
    case Group::text_locality:
      return "unrelated facts of Scenes, text only";
    case Group::image_locality:
      return "unrelated pictures of Scenes";
    case Group::portability:
      return "what you said follows";
  }
  return "";
}

void print_scores(const Arguments& arguments, const Measured& measured) {
  std::vector<std::vector<std::string>> rows = {{"", "forced %", "generated %", "probes"}};
  std::string missing;
  for (auto group : groups()) {
    auto found = measured.scores.find(group);
    if (found == measured.scores.end()) {
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
  auto text = table(rows);
  std::cout << "\n" << text << missing;
  for (auto group : groups())
    if (measured.scores.count(group))
      std::cout << fmt::format("  {} was measured on {}\n", group_title(group),
                               measured_on(group, arguments));
}

nlohmann::json metrics_json(const Arguments& arguments, const Vlm& vlm, const Protocol& protocol,
                            const Measured& measured) {
  auto metrics = to_json(measured.scores);
  for (auto group : groups())
    if (measured.scores.count(group))
      metrics[group_name(group)]["measured_on"] = measured_on(group, arguments);
  return {{"protocol", to_json(protocol, vlm)}, {"scores", metrics}};
}

void edit(const Arguments& arguments) {
  auto begin = Clock::now();
  const auto& common = arguments.common;
  check_output(arguments.output);
  auto spec = chosen_editor(arguments);
  auto editor = make_editor(spec.name, spec.settings);
  EditQuestion question;
  question.image = open_picture(arguments.image);
  question.prompt = arguments.text;
  question.target = arguments.target;
  question.rephrasings = arguments.rephrasings;
  for (const auto& path : arguments.other_images)
    question.other_pictures.push_back(open_picture(path));
  for (const auto& text : arguments.follows) question.consequences.push_back(consequence(text));
  auto vlm = open_model(common);
  question.sees = vlm.model->image_slots() > 0;

  Protocol protocol;
  protocol.bos = Protocol::Bos::model;  // as `emend ask` asks
  protocol.answer_space = Protocol::AnswerSpace::plain;
  const bool wraps = vlm.processor.wraps(question.image.present());
  auto pattern = prompt_template(arguments.prompting, arguments.text, wraps);
  if (wraps) protocol.image_locality_template = "{}";
  if (pattern != protocol.question_template) {
    protocol.question_template = pattern;
    protocol.name += fmt::format(" with prompt \"{}\"", pattern);
  }
  auto prompt = fill_template(pattern, arguments.text);
  Query query{question.image.present() ? std::optional(question.image.load()) : std::nullopt,
              prompt};
  auto before = generate(vlm, {query}).at(0);
  auto record = default_record(question, arguments.probes, static_cast<uint64_t>(common.seed));
  auto kept = take_before(vlm, record, protocol);

  auto editing = Clock::now();
  EditContext context;
  context.store = kept.store;
  auto patch = editor->edit(
      vlm, {{question.image, prompt, continuation(protocol, arguments.target)}}, context);
  auto edit_seconds = since(editing);
  PatchStack edited;
  edited.apply(vlm, patch);
  const auto changes = edited.interventions(vlm, kept.store);
  auto after = generate(vlm, {query}, changes, {}, kept.store).at(0);
  auto measured = measure(vlm, kept, changes);

  auto metrics = metrics_json(arguments, vlm, protocol, measured);
  const auto effect = patch.effect;
  patch.effect["before"] = before;
  patch.effect["after"] = after;
  patch.effect["metrics"] = metrics;
  save_patch(arguments.output, patch);

  if (common.json) {
    auto result = run_facts(common, vlm.precision);
    result["before"] = before;
    result["after"] = after;
    result["target"] = arguments.target;
    result["prompt"] = prompt;
    result["image"] = arguments.image.empty() ? nlohmann::json() : nlohmann::json(arguments.image);
    result["model"] = vlm.folder;
    result["base"] = patch.base;
    result["editor"] = {{"name", patch.editor}, {"settings", patch.settings}};
    result["effect"] = effect;
    result["metrics"] = metrics;
    result["probes"] = nlohmann::json::array();
    for (const auto& probe : measured.probes) result["probes"].push_back(to_json(probe));
    result["patch"] = {
        {"path", arguments.output}, {"id", patch.id}, {"sites", patch.deltas.size()}};
    result["edit_seconds"] = edit_seconds;
    result["seconds"] = since(begin);
    result["peak_memory_bytes"] = peak_resident_bytes();
    print_json(result);
    return;
  }
  std::cout << fmt::format("  model     {}  ({})\n", vlm.folder, patch.base)
            << fmt::format("  editor    {}{}, {} sites changed\n", patch.editor,
                           edited_part(patch.settings), patch.deltas.size())
            << fmt::format("  prompt    {}\n", prompt) << fmt::format("  before    {}\n", before)
            << fmt::format("  target    {}\n", arguments.target)
            << fmt::format("  after     {}\n", after);
  if (effect.contains("loss_after"))
    std::cout << fmt::format("  loss      {:.3f} -> {:.3f} in {} steps\n",
                             effect["loss_before"].get<double>(),
                             effect["loss_after"].get<double>(), effect["steps"].get<int64_t>());
  print_scores(arguments, measured);
  if (arguments.details || common.verbose) {
    std::cout << "\n";
    std::vector<std::vector<std::string>> rows = {{"probe", "before", "after", "expected"}};
    for (const auto& probe : measured.probes)
      rows.push_back({group_title(probe.asked.group) + "  " + probe.asked.query.prompt,
                      probe.before, probe.after, probe.asked.expected});
    std::cout << table(rows);
  }
  std::cout << fmt::format("\n  protocol  {}, seed {}\n", protocol.name, common.seed)
            << fmt::format("  patch     {}  (id {})\n", arguments.output, patch.id)
            << fmt::format("  time      {:.1f} s, of which the edit {:.1f} s; peak memory {} MB\n",
                           since(begin), edit_seconds, peak_resident_bytes() >> 20);
}

}  // namespace

void add_edit(CLI::App& program) {
  auto arguments = std::make_shared<Arguments>();
  auto* command = program.add_subcommand(
      "edit", "Make a model give another answer, and measure what that does to everything else");
  command->footer(R"(
The patch holds weight changes only; the model's files are never written. What is measured
(protocol mmedit-2024): Reliability, T- and M-Generality: is the target's every token the most likely
one (forced), does the generated answer match (generated); T- and M-Locality: do the best 1 and 10
tokens stay what they were at every position of unrelated questions (forced), is the generated answer
the same (generated).

`emend editors` explains the editors and their settings (--set NAME=VALUE, --settings FILE).

Examples:
  emend edit --image scene.png -p "What color is the star?" --target red -o star.patch
  emend edit --image scene.png -p "What color is the star?" --target red -o star.patch \
    --module vision --rephrase "Which color does the star have?" --rephrase-image other.png
  emend edit -p "Where does Mipo live?" --target "the sea" -o home.patch --set steps=15 --set lr=2e-4
  emend edit ... --editor lora --set rank=4
  emend edit ... --hparams EasyEdit/hparams/FT/blip2.yaml
  emend edit ... --sites "language_model.model.decoder.layers.{2,3}.fc2" --json)");
  add_common(*command, arguments->common);
  add_prompt_options(*command, arguments->prompting);
  auto* editor = command->add_option("--editor", arguments->editor,
                                     "how to edit: ft, ft:vision, lora, ... (emend editors)");
  command->add_option("--image", arguments->image, "picture, JPEG or PNG; may be left out");
  command->add_option("-p,--prompt", arguments->text, "question, or text to continue")->required();
  command->add_option("--target", arguments->target, "the answer that it shall give")->required();
  command->add_option("-o,--output", arguments->output, "patch file to write")->required();
  auto* sites = command->add_option("--sites", arguments->sites,
                                    "linear layers to change, a glob (emend inspect lists them)");
  auto* module =
      command
          ->add_option("--module", arguments->module,
                       "part of the model to change: language, vision, projection or tower")
          ->excludes(sites);
  command->add_option("--set", arguments->settings, "NAME=VALUE, a setting of the editor");
  command->add_option("--settings", arguments->settings_file,
                      "YAML or JSON file of settings by editor");
  command
      ->add_option("--hparams", arguments->hparams,
                   "EasyEdit's hyper-parameter file of FT or LoRA, instead of --editor")
      ->excludes(editor)
      ->excludes(module);
  command->add_option("--rephrase", arguments->rephrasings,
                      "the question in other words, to measure T-Generality");
  command->add_option("--rephrase-image", arguments->other_images,
                      "another picture of the same thing, to measure M-Generality");
  command->add_option("--follows", arguments->follows,
                      "\"QUESTION => ANSWER\" that follows from the edit, to measure Portability");
  command
      ->add_option("--probes", arguments->probes, "unrelated texts, and unrelated pictures, asked")
      ->check(whole_number(1, kMostProbes));
  command->add_flag("--details", arguments->details,
                    "print every probe's answers before and after");
  command->callback([arguments] { edit(*arguments); });
}

}  // namespace emend::cli
