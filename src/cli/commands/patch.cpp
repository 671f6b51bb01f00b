#include <fmt/format.h>

#include <iostream>

#include "cli/command.h"
#include "cli/entries.h"
#include "cli/output_file.h"
#include "cli/reports/table.h"
#include "editing/patches/merge.h"

namespace emend::cli {
namespace {

struct PatchArguments {
  Common common;
  std::string path, name, output;
  std::vector<std::string> paths;
};

void print_written(const PatchArguments& arguments, const Patch& patch) {
  if (arguments.common.json) {
    print_json({{"patch", arguments.output},
                {"id", patch.id},
                {"entries", describe_entries(patch)},
                {"sites", patch.deltas.size()},
                {"version", EMEND_VERSION}});
    return;
  }
  std::cout << fmt::format("  written   {}  {}\n", arguments.output, patch.id)
            << fmt::format("  sites     {}\n  entries   {}\n", patch.deltas.size(),
                           patch.memory.entries.size())
            << memory_text(memory_facts(patch));
}

void list(const PatchArguments& arguments) {
  const auto patch = load_patch(arguments.path);
  if (arguments.common.json) {
    auto sites = nlohmann::json::array();
    for (const auto& change : patch.deltas) sites.push_back(change.site);
    print_json({{"path", arguments.path},
                {"id", patch.id},
                {"editor", patch.editor},
                {"entries", describe_entries(patch)},
                {"memory", memory_facts(patch)},
                {"sites", sites},
                {"version", EMEND_VERSION}});
    return;
  }
  if (!patch.memory.entries.empty())
    std::cout << entries_table(patch) << memory_text(memory_facts(patch));
  for (const auto& change : patch.deltas) std::cout << "  " << change.site << "\n";
}

void remove(const PatchArguments& arguments) {
  check_output_file(arguments.output, {}, "emend-patch");
  const auto patch = without_entry(load_patch(arguments.path), arguments.name);
  save_patch(arguments.output, patch);
  print_written(arguments, patch);
}

void merge(const PatchArguments& arguments) {
  check_output_file(arguments.output, {}, "emend-patch");
  std::vector<Patch> patches;
  for (const auto& path : arguments.paths) patches.push_back(load_patch(path));
  const auto patch = merged(patches);
  save_patch(arguments.output, patch);
  print_written(arguments, patch);
}

}  // namespace

void add_patch(CLI::App& program) {
  auto* command = program.add_subcommand("patch", "List, remove and merge the contents of patches");
  command->footer(R"(
Patches of ledger, serac, ike, grace, wise and liveedit store edits as entries. A patch can have any
number of entries.

Examples:
  emend patch list zoo.patch
  emend patch remove zoo.patch 5b1f0c22e9a4 -o rest.patch
  emend patch merge zoo.patch more.patch -o all.patch)");
  command->require_subcommand(1);
  auto add = [&](const char* name, const char* what) {
    auto arguments = std::make_shared<PatchArguments>();
    auto* sub = command->add_subcommand(name, what);
    sub->add_flag("--json", arguments->common.json, "print one JSON object instead of text");
    return std::pair{sub, arguments};
  };
  {
    auto [sub, arguments] =
        add("list", "List the entries of a patch, or the layers that it changes");
    sub->add_option("patch", arguments->path, "patch file")->required();
    sub->footer(R"(
Examples:
  emend patch list zoo.patch
  emend patch list star.patch --json)");
    sub->callback([arguments = arguments] { list(*arguments); });
  }
  {
    auto [sub, arguments] = add("remove", "Write a patch without one of its entries");
    sub->add_option("patch", arguments->path, "patch file")->required();
    sub->add_option("name", arguments->name, "name of the entry, as `emend patch list` prints it")
        ->required();
    sub->add_option("-o,--output", arguments->output, "patch file to write")->required();
    sub->footer(R"(
Example:
  emend patch remove zoo.patch 5b1f0c22e9a4 -o rest.patch)");
    sub->callback([arguments = arguments] { remove(*arguments); });
  }
  {
    auto [sub, arguments] = add("merge", "Merge several patches into one");
    sub->add_option("patches", arguments->paths, "patch files in the order of their edits")
        ->required()
        ->expected(-2);  // at least two
    sub->add_option("-o,--output", arguments->output, "patch file to write")->required();
    sub->footer(R"(
All patches must have the same editor and the same base model. Each edit may occur only once.

Example:
  emend patch merge zoo.patch more.patch -o all.patch)");
    sub->callback([arguments = arguments] { merge(*arguments); });
  }
}

}  // namespace emend::cli
