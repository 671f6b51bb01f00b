#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <filesystem>
#include <iostream>
#include <regex>

#include "cli/command.h"
#include "cli/entries.h"
#include "cli/reports/checkpoint_report.h"
#include "cli/reports/statistics_report.h"
#include "cli/reports/table.h"
#include "editing/patches/patch_file.h"
#include "io/error.h"
#include "io/files/file_kind.h"
#include "io/files/path.h"
#include "io/json/json.h"

namespace emend::cli {
namespace {

struct InspectArguments {
  Common common;
  std::string path, sites;
};

const char* module_name(Module module) {
  switch (module) {
    case Module::vision_tower:
      return "vision_tower";
    case Module::connector:
      return "connector";
    case Module::language:
      return "language";
  }
  return "";
}

std::string count(int64_t number) {
  if (number >= 1'000'000'000) return fmt::format("{:.2f} B", number / 1e9);
  if (number >= 1'000'000) return fmt::format("{:.2f} M", number / 1e6);
  if (number >= 1'000) return fmt::format("{:.1f} k", number / 1e3);
  return std::to_string(number);
}

// Counts parameters by the first word of their names: vision_model, qformer, language_model, ...
std::map<std::string, int64_t> parameters_by_part(const Model& model) {
  std::map<std::string, int64_t> parts;
  for (const auto& [name, tensor] : model.parameters())
    parts[name.substr(0, name.find('.'))] += tensor.numel();
  return parts;
}

// The weights with values that are infinite or NaN. One pass over the file; a sum needs no copy.
std::vector<std::string> weights_that_are_not_finite(const Model& model) {
  at::NoGradGuard no_grad;
  std::vector<std::string> names;
  for (const auto& [name, tensor] : model.parameters())
    if (tensor.is_floating_point() && !std::isfinite(tensor.sum(at::kFloat).item<float>()))
      names.push_back(name);
  return names;
}

// Opens a model even if its chat template is not supported; `problem` then has the reason.
Vlm open_for_inspection(Common& common, std::string& problem) {
  try {
    return open_model(common);
  } catch (const Error& error) {
    problem = error.what();
  }
  // Errors that are not about the template are thrown again.
  common.no_chat_template = true;
  return open_model(common);
}

void inspect_model(const InspectArguments& arguments) {
  auto common = arguments.common;
  common.model = arguments.path;
  std::string template_problem;
  auto vlm = open_for_inspection(common, template_problem);
  const auto& model = *vlm.model;
  auto config = read_json((std::filesystem::path(arguments.path) / "config.json").string());
  auto architecture = config.contains("architectures") ? config["architectures"] : nlohmann::json();
  auto parts = parameters_by_part(model);
  int64_t total = 0;
  for (const auto& [part, size] : parts) total += size;
  auto sites = arguments.sites.empty() ? model.sites() : model.find_sites(arguments.sites);

  auto not_applied = vlm.processor.generation.not_implemented;
  const auto& sampling = vlm.processor.generation.sampling;
  not_applied.insert(not_applied.end(), sampling.begin(), sampling.end());
  const auto not_finite = weights_that_are_not_finite(model);
  if (common.json) {
    nlohmann::json result = {{"kind", "model"},
                             {"folder", arguments.path},
                             {"architectures", architecture},
                             {"model_type", config.value("model_type", "")},
                             {"base", vlm.fingerprint()},
                             {"parameters", {{"total", total}, {"parts", parts}}},
                             {"not_finite", not_finite},
                             {"num_image_tokens", model.num_image_tokens() == Model::kVariable
                                                      ? nlohmann::json()
                                                      : nlohmann::json(model.num_image_tokens())},
                             {"prompts",
                              {{"with_picture", vlm.processor.layout.with_picture},
                               {"without_picture", vlm.processor.layout.without_picture}}},
                             {"generation", vlm.processor.generation.applied()},
                             {"generation_not_applied", not_applied},
                             {"vocabulary", model.vocabulary()},
                             {"version", EMEND_VERSION}};
    if (!template_problem.empty()) result["chat_template_problem"] = template_problem;
    for (const auto& stage : model.stages())
      result["stages"].push_back({{"name", stage.name}, {"module", module_name(stage.module)}});
    for (const auto& site : sites)
      result["sites"].push_back({{"name", site.name},
                                 {"stage", model.stages()[site.stage].name},
                                 {"out", site.out},
                                 {"in", site.in}});
    for (auto module : {Module::vision_tower, Module::connector, Module::language})
      if (auto pattern = model.default_sites(module); !pattern.empty())
        result["default_sites"][module_name(module)] = pattern;
    result.update(precision_facts(vlm.precision));
    print_json(result);
    return;
  }
  std::cout << fmt::format("  model         {}\n", arguments.path)
            << fmt::format("  architecture  {}\n", architecture.is_array() && !architecture.empty()
                                                       ? architecture[0].dump()
                                                       : "unnamed")
            << fmt::format("  fingerprint   {}\n", vlm.fingerprint())
            << fmt::format("  computes in   {}{}: {}\n", dtype_name(vlm.precision.compute),
                           vlm.precision.keeps_16_bits()
                               ? " from weights in " + dtype_name(vlm.precision.weights)
                               : "",
                           vlm.precision.reason)
            << fmt::format("  parameters    {}\n", count(total));
  for (const auto& [part, size] : parts)
    std::cout << fmt::format("    {:<22}{:>10}\n", part, count(size));
  for (const auto& name : not_finite) std::cout << fmt::format("  not finite    {}\n", name);
  std::cout << (model.num_image_tokens() == Model::kVariable
                    ? "  the positions of a picture depend on its size"
                : model.reads_pictures()
                    ? fmt::format(
                          "  a picture{} takes {} positions",
                          vlm.processor.layout.before_tile.empty() ? "" : ", or one tile of it,",
                          model.num_image_tokens())
                    : "  text only")
            << fmt::format("; vocabulary {}\n", model.vocabulary());
  const auto& layout = vlm.processor.layout;
  for (const auto& [what, pattern] : {std::pair{"with picture", layout.with_picture},
                                      std::pair{"text only", layout.without_picture}})
    if (!pattern.empty())
      std::cout << fmt::format("  prompt {:<12}  {}\n", what, nlohmann::json(pattern).dump());
  if (!template_problem.empty())
    std::cout << fmt::format("  unsupported chat template: {}\n", template_problem);
  if (const auto applied = vlm.processor.generation.applied(); !applied.empty())
    std::cout << fmt::format("  generation_config.json: {}\n", applied.dump());
  if (!not_applied.empty())
    std::cout << fmt::format("  generation_config.json, not applied: {}\n",
                             fmt::join(not_applied, ", "));
  std::cout << "\n";

  // Groups layers that differ only in their number.
  std::regex number("\\.[0-9]+(?=\\.|$)");
  auto grouped = [&](const std::string& name) { return std::regex_replace(name, number, ".*"); };
  std::vector<std::vector<std::string>> rows = {{"stages", "count"}};
  std::vector<std::pair<std::string, int>> stages;
  for (const auto& stage : model.stages()) {
    auto name = grouped(stage.name);
    if (stages.empty() || stages.back().first != name) stages.emplace_back(name, 0);
    ++stages.back().second;
  }
  for (const auto& [name, many] : stages) rows.push_back({name, std::to_string(many)});
  std::cout << table(rows) << "\n";

  rows = {{"sites (linear layers that an edit can change)", "out x in", "count"}};
  std::vector<std::pair<std::pair<std::string, std::string>, int>> kinds;
  for (const auto& site : sites) {
    std::pair kind{arguments.sites.empty() ? grouped(site.name) : site.name,
                   fmt::format("{} x {}", site.out, site.in)};
    auto found = std::find_if(kinds.begin(), kinds.end(),
                              [&](const auto& entry) { return entry.first == kind; });
    if (found == kinds.end()) found = kinds.insert(kinds.end(), {kind, 0});
    ++found->second;
  }
  for (const auto& [kind, many] : kinds)
    rows.push_back({kind.first, kind.second, std::to_string(many)});
  std::cout << table(rows);
}

nlohmann::json describe(const SiteDelta& change) {
  auto delta = change.delta.materialized();
  nlohmann::json result = {{"site", change.site},
                           {"out", delta.size(0)},
                           {"in", delta.size(1)},
                           {"norm", delta.norm().item<double>()}};
  if (change.delta.low_rank()) result["rank"] = change.delta.up.size(1);
  return result;
}

// A number of a patch's facts; 0 if it is missing.
double fact_number(const nlohmann::json& facts, const char* name) {
  return facts.contains(name) && facts[name].is_number() ? facts[name].get<double>() : 0;
}

// What a closed-form editor wrote about each layer that it changed, in words.
std::string solve_text(const Patch& patch) {
  if (!patch.effect.is_object() || !patch.effect.contains("sites") ||
      !patch.effect["sites"].is_array())
    return {};
  std::string text;
  for (const auto& facts : patch.effect["sites"]) {
    const auto keys = facts.is_object() ? fact_number(facts, "keys") : 0;
    if (keys < 1 || !facts.contains("site") || !facts["site"].is_string()) continue;
    text += fmt::format("  {}: {}", facts["site"].get<std::string>(),
                        counted(static_cast<int64_t>(keys), "key"));
    text += facts.contains("statistics")
                ? fmt::format("; covariance of {} inputs with condition number {:.2g}",
                              count(static_cast<int64_t>(fact_number(facts, "statistics"))),
                              fact_number(facts, "condition"))
                : "; without statistics";
    if (facts.contains("null_space"))
      text += fmt::format("; null space of {:.0f} dimensions, with {:.2g} % of the energy",
                          fact_number(facts, "null_space"),
                          100 * fact_number(facts, "null_space_energy"));
    text += "\n";
  }
  if (!text.empty() && !patch.keys.empty())
    text += "  The patch has these keys, so that later edits can preserve them.\n";
  return text.empty() ? text : "\n" + text;
}

void inspect_patch(const InspectArguments& arguments) {
  auto patch = load_patch(arguments.path);
  if (arguments.common.json) {
    nlohmann::json result = {{"kind", "patch"},
                             {"path", arguments.path},
                             {"id", patch.id},
                             {"base", patch.base},
                             {"editor", patch.editor},
                             {"settings", patch.settings},
                             {"request", patch.request},
                             {"effect", patch.effect},
                             {"made_by", patch.made_by},
                             {"sites", nlohmann::json::array()},
                             {"verified", has_checksums(arguments.path)},
                             {"version", EMEND_VERSION}};
    for (const auto& change : patch.deltas) result["sites"].push_back(describe(change));
    if (!patch.memory.entries.empty()) {
      result["entries"] = describe_entries(patch);
      result["memory"] = memory_facts(patch);
    }
    print_json(result);
    return;
  }
  std::cout << fmt::format("  patch     {}\n", patch.id)
            << fmt::format("  base      {}\n", patch.base)
            << fmt::format("  editor    {}  {}\n", patch.editor, patch.settings.dump())
            << fmt::format("  request   {}\n", patch.request.dump())
            << fmt::format("  made by   {}\n", patch.made_by);
  if (!has_checksums(arguments.path))
    std::cout
        << "  verified  no: the file has no checksums, and its scores may have been changed\n";
  auto scores = nlohmann::json::json_pointer("/metrics/scores");
  if (patch.effect.is_object() && patch.effect.contains(scores))
    for (const auto& [group, score] : patch.effect[scores].items())
      std::cout << fmt::format("  {:<18}{}\n", group, score.dump());
  if (!patch.memory.entries.empty())
    std::cout << "\n" << entries_table(patch) << memory_text(memory_facts(patch));
  if (patch.deltas.empty()) return;
  std::vector<std::vector<std::string>> rows = {{"site", "out x in", "rank", "norm"}};
  for (const auto& change : patch.deltas) {
    auto d = describe(change);
    rows.push_back({change.site,
                    fmt::format("{} x {}", d["out"].get<int64_t>(), d["in"].get<int64_t>()),
                    d.contains("rank") ? d["rank"].dump() : "full",
                    fmt::format("{:.4g}", d["norm"].get<double>())});
  }
  std::cout << "\n" << table(rows) << solve_text(patch);
}

void inspect(const InspectArguments& arguments) {
  if (is_folder(arguments.path)) return inspect_model(arguments);
  prepare(arguments.common);
  if (const auto kind = file_kind_of(arguments.path); !kind.empty())
    throw Error("cli::inspect", fmt::format("'{}' is {}", arguments.path, kind),
                "give the folder of a model, a patch file, or a checkpoint of `emend train`");
  if (is_checkpoint(arguments.path)) return print_checkpoint(arguments.path, arguments.common.json);
  if (is_statistics(arguments.path))
    return print_statistics_file(arguments.path, arguments.common.json);
  inspect_patch(arguments);
}

}  // namespace

void add_inspect(CLI::App& program) {
  auto arguments = std::make_shared<InspectArguments>();
  auto* command = program.add_subcommand(
      "inspect", "Show the contents of a model, a patch, a trained editor or statistics");
  command->footer(R"(
Examples:
  emend inspect models/scenes-blip2
  emend inspect models/scenes-blip2 --sites "qformer.*.output.dense"
  emend inspect star.patch --json
  emend inspect models/scenes-blip2/editors/mend-language.safetensors)");
  command
      ->add_option(
          "path", arguments->path,
          "folder of a model, a patch file, a checkpoint of emend train, or a file of emend "
          "stats")
      ->required();
  command->add_option("--sites", arguments->sites,
                      "list only the sites that match this glob, one per line");
  add_common(*command, arguments->common, /*model=*/false);
  command->callback([arguments] { inspect(*arguments); });
}

}  // namespace emend::cli
