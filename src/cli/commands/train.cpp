#include <fmt/format.h>

#include <filesystem>
#include <iostream>

#include "cli/command.h"
#include "cli/output_file.h"
#include "cli/processes.h"
#include "cli/reports/table.h"
#include "editing/registry.h"
#include "editing/settings/easyedit/hparams.h"
#include "evaluation/training/collect_demonstrations.h"
#include "evaluation/training/train_editor.h"
#include "io/error.h"
#include "io/files/path.h"
#include "io/json/yaml.h"
#include "io/log.h"
#include "io/runtime.h"

namespace emend::cli {
namespace {

struct TrainArguments {
  Common common;
  std::string editor = "mend", suite = "scenes";
  ProtocolOptions protocol;
  std::string module, recipe, hparams, output, save_dtype = "fp32";
  SuiteOptions suite_options;
  int probes = 1, consequences = 0;
  int64_t steps = 0;
  std::vector<std::string> settings;
  ActivationStore::Options store;
  std::string from;
  bool resume = false, restart = false;
};

// Records are generated on demand, so this is no limit in practice.
constexpr size_t kScenes = 1000000;

SuiteOptions train_suite_options(const TrainArguments& arguments) {
  auto options = arguments.suite_options;
  options.seed = static_cast<uint64_t>(arguments.common.seed);
  if (arguments.suite == "scenes" && options.limit == 0) options.limit = kScenes;
  auto& probes = options.probes;
  probes.rewordings = probes.variants = probes.text_probes = probes.image_probes = arguments.probes;
  probes.portability = arguments.consequences;
  return options;
}

// Reads EasyEdit's file, which also selects the editor.
nlohmann::json read_training(TrainArguments& arguments) {
  const auto hparams = read_hparams(arguments.hparams);
  if (!hparams.training.is_object())
    throw Error("cli::train",
                fmt::format("'{}' is for {}, which needs no training", arguments.hparams,
                            hparams.algorithm),
                "use it with emend edit --hparams FILE");
  log_ignored_keys(arguments.hparams, hparams.ignored_in_training);
  arguments.editor = hparams.spec.name;
  return hparams.training;
}

// The settings of the recipe, overridden by the command line.
nlohmann::json all_settings(TrainArguments& arguments) {
  auto settings = nlohmann::json::object();
  if (!arguments.hparams.empty()) settings = read_training(arguments);
  if (!arguments.recipe.empty()) {
    settings = read_yaml(arguments.recipe);
    if (!settings.is_object())
      throw Error("cli::train", fmt::format("'{}' does not contain settings", arguments.recipe),
                  "write one NAME: VALUE per line");
  }
  settings["seed"] = arguments.common.seed;
  settings.update(editor_settings(arguments.settings));
  if (!arguments.module.empty()) settings["module"] = arguments.module;
  if (arguments.steps > 0) settings["steps"] = arguments.steps;
  return settings;
}

// Checks that the output can be written before the model loads, because training takes long.
void check_output(const TrainArguments& arguments) {
  const auto& path = arguments.output;
  namespace fs = std::filesystem;
  auto folder = fs::path(path).parent_path();
  std::error_code error;
  if (fs::is_directory(path, error) || (!folder.empty() && !fs::is_directory(folder, error)))
    throw Error("cli::train", fmt::format("'{}' cannot be written", path),
                "give a file in an existing folder with -o");
  check_output_file(path, {}, "emend-editor");
  // With --resume, a damaged state is an error when it is read.
  if (!arguments.resume) check_output_file(path + ".state", {}, "emend-editor");
  if (arguments.resume || arguments.restart) return;
  for (const char* ending : {"", ".state"})
    if (path_exists(path + ending))
      throw Error("cli::train",
                  fmt::format("'{}{}' exists, from an earlier training", path, ending),
                  arguments.editor == "ike"
                      ? "use --restart to discard it, or give another file with -o"
                      : "use --resume to continue that training, --restart to discard it, or give "
                        "another file with -o");
}

void print_result(const TrainArguments& arguments, const nlohmann::json& facts) {
  const auto& best = facts.at("best");
  std::vector<std::vector<std::string>> rows = {{"", "score %", "probes"}};
  if (!best.is_null())
    for (auto group : groups()) {
      auto found = best.at("scores").find(group_name(group));
      if (found != best.at("scores").end())
        rows.push_back({group_title(group), percent(found->at("score").get<double>()),
                        std::to_string(found->at("probes").get<int64_t>())});
    }
  auto steps = facts.at("steps").get<int64_t>();
  auto seconds = facts.at("seconds").get<double>();
  if (best.is_null())
    std::cout << fmt::format(
        "  nothing was validated yet, and {} was not written; --resume continues the training\n",
        arguments.output);
  else
    std::cout << table(rows)
              << fmt::format("\n  best      at step {}\n  written   {}\n",
                             best.at("step").get<int64_t>(), arguments.output);
  std::cout << fmt::format("  steps     {}, {} skipped, {:.0f} ms each\n", steps,
                           facts.value("skipped_steps", int64_t{0}),
                           steps ? 1000 * seconds / static_cast<double>(steps) : 0.0)
            << fmt::format("  time      {:.0f} s, peak memory {} MB\n", seconds,
                           peak_resident_bytes() >> 20);
}

// IKE has no weights to train: it collects demonstrations.
void collect(TrainArguments arguments, const nlohmann::json& settings) {
  if (arguments.resume || !arguments.from.empty())
    throw Error("cli::train", "collecting demonstrations cannot be resumed",
                "remove --resume and --from");
  CollectJob job;
  job.settings = read_settings<IkeCorpusSettings>(arguments.editor, settings);
  job.settings.templates.check();
  auto suite = open_suite(arguments.suite, train_suite_options(arguments));
  job.suite = suite.get();
  job.protocol = for_editor(for_suite(make_protocol(arguments.protocol), *suite), arguments.editor);
  job.output = arguments.output;
  job.dtype = arguments.save_dtype == "bf16" ? at::kBFloat16 : at::kFloat;
  auto vlm = open_model(arguments.common, *suite);
  set_bos(vlm, job.protocol);
  auto facts = collect_demonstrations(vlm, job);
  if (arguments.common.json) {
    auto result = run_facts(arguments.common, vlm.precision);
    result["checkpoint"] = arguments.output;
    result["editor"] = {{"name", arguments.editor}, {"settings", settings_json(job.settings)}};
    result["training"] = facts;
    print_json(result);
    return;
  }
  std::vector<std::vector<std::string>> rows = {{"", "demonstrations"}};
  for (const auto& [kind, count] : facts.at("kinds").items()) rows.push_back({kind, count.dump()});
  std::cout << table(rows)
            << fmt::format(
                   "\n  records   {}, with prompts of {}\n  written   {}\n  time      {:.0f} s\n",
                   facts.at("records").dump(), arguments.protocol.name, arguments.output,
                   facts.at("seconds").get<double>());
}

// Trains in one process of the group, or alone.
void train_in(TrainArguments& arguments, const nlohmann::json& settings, const Suite& suite,
              ProcessGroup* group) {
  auto vlm = open_model(arguments.common, suite);
  ActivationStore store(arguments.store);
  TrainJob job;
  job.suite = &suite;
  job.protocol = for_suite(make_protocol(arguments.protocol), suite);
  set_bos(vlm, job.protocol);
  job.protocol.generate_answers = false;
  job.output = arguments.output;
  job.dtype = arguments.save_dtype == "bf16" ? at::kBFloat16 : at::kFloat;
  job.resume = arguments.resume;
  job.restart = arguments.restart;
  job.from = arguments.from;
  job.seed = arguments.common.seed;
  job.group = group;
  // Pictures of Scenes are generated once, so storing their features does not help.
  if (arguments.suite != "scenes") job.store = &store;
  auto trainable = make_trainable_editor(arguments.editor, vlm, settings, job.store);
  auto facts = train_editor(vlm, *trainable, job);
  if (!writes_files()) return;
  if (arguments.common.json) {
    auto result = run_facts(arguments.common, vlm.precision);
    // There is no checkpoint before the first validation.
    result["checkpoint"] =
        facts.at("best").is_null() ? nlohmann::json() : nlohmann::json(arguments.output);
    result["editor"] = {{"name", trainable->editor()}, {"settings", trainable->settings()}};
    result["training"] = facts;
    result["peak_memory_bytes"] = peak_resident_bytes();
    print_json(result);
  } else {
    print_result(arguments, facts);
  }
  if (facts.at("interrupted").get<bool>()) throw CLI::RuntimeError(128 + InterruptGuard::signal());
}

void train(TrainArguments arguments) {
  if (writes_files()) check_output(arguments);
  const auto settings = all_settings(arguments);
  if (editor_info(arguments.editor).collects_demonstrations) {
    if (has_team(arguments.common))
      throw Error("cli::train", "several processes cannot collect demonstrations together",
                  "use one process");
    return collect(arguments, settings);
  }
  const auto suite = open_suite(arguments.suite, train_suite_options(arguments));
  const auto team = join_processes(arguments.common, "train");
  report_failure(team, [&] { train_in(arguments, settings, *suite, team.group.get()); });
}

}  // namespace

void add_train(CLI::App& program) {
  auto arguments = std::make_shared<TrainArguments>();
  auto* command = program.add_subcommand(
      "train", fmt::format("Train an editor ({}), or collect demonstrations for ike",
                           fmt::join(trainable_editor_names(), ", ")));
  command->footer(R"(
OUTPUT contains the editor with the best validation score so far. OUTPUT.state is the state that
--resume continues from; delete it when training is finished. An existing OUTPUT is replaced only
with --restart.

Use the checkpoint with --editor NAME --set checkpoint=OUTPUT. The setting is not needed for
MODEL/editors/NAME-MODULE.safetensors (ike, serac, liveedit, ledger: NAME.safetensors).

The defaults are those of the papers, for models with billions of weights. The recipes next to
the bundled model's editors are for models with millions of weights.

Examples:
  emend train --module language --recipe models/scenes-blip2/editors/mend-language.yaml -o mend.safetensors
  emend train --editor ke --recipe models/scenes-blip2/editors/ke-language.yaml -o ke.safetensors
  emend train --editor serac --recipe models/scenes-blip2/editors/serac.yaml --grid -o serac.safetensors
  emend train -m MODEL --hparams EasyEdit/hparams/TRAINING/MEND/blip2.yaml -o mend.safetensors
  emend train -m MODEL --suite e-vqa --data mmedit --images coco --module connector -o mend-connector.safetensors)");
  add_common(*command, arguments->common);
  add_processes(*command, arguments->common);
  auto* editor =
      command->add_option("--editor", arguments->editor, "editor to train")->capture_default_str();
  command->add_option(
      "--module", arguments->module,
      "part of the model to change: language, connector, vision_tower; serac: repaired or paper");
  command->add_option("-o,--output", arguments->output, "checkpoint file to write")->required();
  auto* resume = command->add_flag("--resume", arguments->resume, "resume from OUTPUT.state");
  command
      ->add_flag("--restart", arguments->restart,
                 "discard the results of an earlier training in OUTPUT")
      ->excludes(resume);
  command
      ->add_option("--from", arguments->from,
                   "checkpoint or OUTPUT.state to initialize from, for another round with other "
                   "settings")
      ->excludes(resume);
  command->add_option("--steps", arguments->steps, "maximum number of training steps")
      ->check(whole_number(1, 100000000));
  auto* recipe =
      command->add_option("--recipe", arguments->recipe, "YAML file of training settings");
  command->add_option("--hparams", arguments->hparams, "EasyEdit hyperparameter file")
      ->excludes(editor)
      ->excludes(recipe);
  command
      ->add_option("--save-dtype", arguments->save_dtype,
                   "dtype of the tensors in OUTPUT; bf16 is half as large")
      ->check(one_of({"fp32", "bf16"}))
      ->capture_default_str();
  command->add_option("--set", arguments->settings,
                      "NAME=VALUE, a setting of the editor; overrides the recipe");
  auto& suite = arguments->suite_options;
  suite.split = "train";
  command->add_option("--suite", arguments->suite,
                      "source of the edits; several, separated by commas, are mixed evenly")
      ->check(list_of(suite_names()))
      ->capture_default_str();
  command
      ->add_option("--split", suite.split,
                   "dataset split; scenes: also pretrain, and lists such as pretrain,train")
      ->capture_default_str();
  add_suite_files(*command, suite);
  command
      ->add_option("--limit", suite.limit, "maximum number of records; 0: all (scenes: unlimited)")
      ->check(whole_number(0, kMostRecords));
  command->add_flag("--grid", suite.grid, "also train locality on mismatched text-image pairs");
  command
      ->add_option("--form", suite.form,
                   "scenes: vqa, caption, both (alternating), or composition (pairs of edits)")
      ->capture_default_str();
  command->add_option("--probes", arguments->probes, "scenes: maximum number of probes per group")
      ->check(whole_number(1, kMostProbes))
      ->capture_default_str();
  command
      ->add_option("--consequences", arguments->consequences,
                   "scenes: maximum number of questions per record that follow from the edit, for "
                   "ledger with consequences=true")
      ->check(whole_number(0, kMostProbes))
      ->capture_default_str();
  add_protocol_options(*command, arguments->protocol, "protocol of prompts and validation");
  command
      ->add_option("--cache-memory", arguments->store.memory_bytes,
                   "memory for features of pictures, such as 512M or 4G (default: 1G)")
      ->transform(memory_size());
  command->add_option("--cache-dir", arguments->store.directory,
                      "folder for features of pictures, which later runs reuse");
  command->callback([arguments, command] {
    check_suite_options(*command, arguments->suite);
    train(*arguments);
  });
}

}  // namespace emend::cli
