#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "cli/command.h"
#include "cli/processes.h"
#include "cli/output_file.h"
#include "cli/reports/statistics_report.h"
#include "editing/statistics/collect.h"
#include "editing/statistics/collect_state.h"
#include "editing/targets/ffn_outputs.h"
#include "evaluation/statistics/suite_samples.h"
#include "io/error.h"
#include "io/files/path.h"
#include "io/log.h"
#include "io/runtime.h"

namespace emend::cli {
namespace {

struct StatsArguments {
  Common common;
  std::vector<std::string> sites;
  std::string suite, text, output;
  ProtocolOptions protocol;
  SuiteOptions suite_options;
  int probes = 2;
  int64_t samples = 1000, max_length = 512;
  uint64_t memory = uint64_t{4} << 30;
  ActivationStore::Options store;
  bool restart = false;
};

SuiteOptions stats_suite_options(const StatsArguments& arguments) {
  auto options = arguments.suite_options;
  options.seed = static_cast<uint64_t>(arguments.common.seed);
  // Records of Scenes are generated on demand.
  if (arguments.suite == "scenes") options.limit = static_cast<size_t>(arguments.samples);
  auto& probes = options.probes;
  probes.rewordings = probes.variants = probes.text_probes = probes.image_probes = arguments.probes;
  probes.portability = 0;
  return options;
}

void check_stats_arguments(const StatsArguments& arguments) {
  if (arguments.suite.empty() == arguments.text.empty())
    throw Error("cli::stats", "statistics need either a suite or a text file",
                "use --suite NAME, or --text FILE");
  if (arguments.suite == "scenes" && arguments.samples == 0)
    throw Error("cli::stats", "the suite scenes is unlimited", "give a number with --samples");
  const auto& output = arguments.output;
  check_output_file(output, {arguments.text}, "emend-statistics");
  check_output_file(output + ".state", {arguments.text}, CollectState::kFormat);
  if (!arguments.restart && path_exists(output))
    throw Error("cli::stats", fmt::format("'{}' exists", output),
                "use --restart to replace it, or give another file with -o");
}

void print_statistics(const StatsArguments& arguments, const nlohmann::json& facts) {
  std::cout << statistics_table(facts.at("sites"))
            << fmt::format(
                   "\n  samples   {}\n  passes    {}\n  written   {}\n  time      {:.0f} s, peak "
                   "memory {} "
                   "MB\n",
                   facts.at("source").at("samples").get<int64_t>(),
                   facts.at("passes").get<int64_t>(), arguments.output,
                   facts.at("seconds").get<double>(), peak_resident_bytes() >> 20);
}

void check_text_reaches(const Model& model, const std::vector<Site>& sites) {
  for (const auto& site : sites)
    if (model.stages()[site.stage].module != Module::language)
      throw Error("cli::stats", fmt::format("texts do not pass through {}", site.name),
                  "use a suite with pictures (--suite), or sites of the language module");
}

// Fewer positions than dimensions are of little use to editors.
void warn_of_few_positions(const nlohmann::json& facts) {
  for (const auto& site : facts.at("sites"))
    if (const auto positions = site.at("text").get<int64_t>() + site.at("image").get<int64_t>();
        positions < site.at("dimension").get<int64_t>())
      logger().warn("{} has {} positions, fewer than its {} dimensions: use more samples",
                    site.at("site").get<std::string>(), positions,
                    site.at("dimension").get<int64_t>());
}

// Collects in one process of the group, or alone. `suite` is null for lines of text, which are in `job`.
void stats_in(StatsArguments& arguments, const Suite* suite, CollectMomentsJob job,
              ProcessGroup* group) {
  auto vlm = suite ? open_model(arguments.common, *suite) : open_model(arguments.common);
  if (suite) {
    const auto protocol = for_suite(make_protocol(arguments.protocol), *suite);
    set_bos(vlm, protocol);
    job.samples = suite_samples(*suite, protocol, arguments.samples, arguments.common.seed);
  }
  job.samples.source.max_length = std::min(arguments.max_length, vlm.model->max_positions());
  job.sites = ffn_outputs_or_sites(*vlm.model, arguments.sites);
  if (!suite) check_text_reaches(*vlm.model, job.sites);
  job.settings = precision_facts(vlm.precision);
  job.settings["chat_template"] = !arguments.common.no_chat_template;
  job.memory_bytes = arguments.memory;
  job.output = arguments.output;
  job.group = group;
  ActivationStore store(arguments.store);
  if (!arguments.store.directory.empty()) job.store = &store;
  if (arguments.restart) discard_moments(arguments.output, group ? group->rank() : 0);
  if (group) group->any(false);  // nobody reads a state before it is discarded
  const auto facts = collect_moments(vlm, job);
  if (!writes_files()) return;
  if (facts.at("interrupted").get<bool>()) {
    std::cerr << fmt::format(
        "emend: stopped after {} of {} samples; run the same command again to resume\n",
        facts.at("done").get<int64_t>(), facts.at("total").get<int64_t>());
    throw CLI::RuntimeError(128 + InterruptGuard::signal());
  }
  warn_of_few_positions(facts);
  if (!arguments.common.json) return print_statistics(arguments, facts);
  auto result = run_facts(arguments.common, vlm.precision);
  result["statistics"] = arguments.output;
  result.update(facts);
  result["peak_memory_bytes"] = peak_resident_bytes();
  print_json(result);
}

void stats(StatsArguments arguments) {
  std::unique_ptr<Suite> suite;
  CollectMomentsJob job;
  if (arguments.text.empty())
    suite = open_suite(arguments.suite, stats_suite_options(arguments));
  else
    job.samples = text_samples(arguments.text, arguments.samples, arguments.common.seed);
  // Lines of text are not prompts.
  if (!suite) arguments.common.no_chat_template = true;
  const auto team = join_processes(arguments.common, "stats");
  report_failure(team, [&] { stats_in(arguments, suite.get(), job, team.group.get()); });
}

void add_sample_options(CLI::App& command, StatsArguments& arguments) {
  auto& suite = arguments.suite_options;
  suite.split = "train";
  auto* name = command
                   .add_option("--suite", arguments.suite,
                               "source of the questions, pictures and answers; several suites, "
                               "separated by commas, are mixed evenly")
                   ->check(list_of(suite_names()));
  command.add_option("--text", arguments.text, "text file with one sample per line")
      ->excludes(name);
  command
      .add_option("--samples", arguments.samples,
                  "number of records of the suite or lines of the file, chosen at random; 0: all")
      ->check(whole_number(0, kMostRecords))
      ->capture_default_str();
  command
      .add_option("--max-length", arguments.max_length,
                  "maximum number of positions of a row; longer rows are truncated")
      ->check(whole_number(2, 1000000000))
      ->capture_default_str();
  command.add_option("--split", suite.split, "dataset split")->capture_default_str();
  add_suite_files(command, suite);
  command
      .add_option("--form", suite.form,
                  "scenes: vqa, caption, both (alternating), or composition (pairs of edits)")
      ->capture_default_str();
  command.add_option("--probes", arguments.probes, "scenes: maximum number of probes per group")
      ->check(whole_number(1, kMostProbes))
      ->capture_default_str();
}

}  // namespace

void add_stats(CLI::App& program) {
  auto arguments = std::make_shared<StatsArguments>();
  auto* command = program.add_subcommand(
      "stats", "Compute statistics of layer inputs, which closed-form editors need");
  command->footer(R"(
OUTPUT has the uncentered second moment of the inputs of each site, separately for text positions
and image positions. Padding is left out, and so is position 0 of a row, which has its own mean: in
many models, its input is much larger than all others. Editors read MODEL/statistics.safetensors, or
the file in their setting `statistics`.

Run the same command again to continue after an interrupt. OUTPUT.state and OUTPUT.part* are removed
at the end.

Examples:
  emend stats --sites language --suite scenes --samples 500 -o statistics.safetensors
  emend stats -m MODEL --sites '*.layers.{4,5,6,7,8}.mlp.down_proj' --text wiki.txt --samples 0 -o MODEL/statistics.safetensors
  emend stats -m MODEL --sites language --sites connector --suite e-vqa --data mmedit --images coco -o MODEL/statistics.safetensors)");
  add_common(*command, arguments->common);
  add_processes(*command, arguments->common);
  command
      ->add_option("--sites", arguments->sites,
                   "language, connector, projector or vision_tower (the output layers of their "
                   "feed-forward networks), or a glob of layer names; may be given several times")
      ->required()
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  add_sample_options(*command, *arguments);
  command->add_option("-o,--output", arguments->output, "statistics file to write")->required();
  command->add_flag("--restart", arguments->restart,
                    "discard OUTPUT and the state of an earlier run");
  command
      ->add_option(
          "--memory", arguments->memory,
          "memory for the sums, such as 2G (default: 4G); if the sites need more, the samples are "
          "run several times")
      ->transform(memory_size());
  command->add_option("--cache-dir", arguments->store.directory,
                      "folder for features of pictures, which later passes and runs reuse");
  add_protocol_options(*command, arguments->protocol, "protocol of prompts");
  command->callback([arguments, command] {
    check_stats_arguments(*arguments);
    check_suite_options(*command, arguments->suite);
    stats(*arguments);
  });
}

}  // namespace emend::cli
