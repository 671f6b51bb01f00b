#include "exports/export.h"

#include <fmt/format.h>

#include <iostream>

#include "cli/command.h"
#include "cli/output_file.h"
#include "cli/reports/table.h"
#include "cli/writing_progress.h"
#include "exports/peft_adapter.h"
#include "io/error.h"
#include "io/files/path.h"
#include "io/log.h"

namespace emend::cli {
namespace {

constexpr size_t kCheckedPrompts = 20;
constexpr double kLostChange = 0.5;  // a warning is given for more rounding, relative to the change

struct ExportArguments {
  Common common;
  std::vector<std::string> patches;
  std::string output;
  ExportOptions options;
  bool check = true;
};

// The edited prompts of the patches whose pictures can still be read.
std::vector<Query> edited_prompts(const PatchStack& stack) {
  std::vector<Query> queries;
  for (const auto& patch : stack.patches()) {
    const auto requests = patch.request.is_array() ? patch.request : nlohmann::json{patch.request};
    for (const auto& request : requests) {
      if (queries.size() == kCheckedPrompts) return queries;
      if (!request.is_object() || !request.contains("prompt")) continue;
      Query query{std::nullopt, request.at("prompt").get<std::string>()};
      if (const auto image = request.value("image", std::string()); !image.empty()) {
        if (!is_file(image)) continue;
        query.image = read_image(image);
      }
      queries.push_back(std::move(query));
    }
  }
  return queries;
}

// Whether the written folder gives the answers of the patches.
struct Check {
  size_t prompts = 0, equal = 0;
  std::string difference;
};
Check check_answers(const ExportArguments& arguments, const Vlm& vlm, const PatchStack& stack) {
  Check check;
  const auto queries = edited_prompts(stack);
  if (!arguments.check || queries.empty()) return check;
  auto common = arguments.common;
  common.model = arguments.output;
  const auto merged = open_model(common);
  const auto interventions = stack.interventions(vlm);
  for (const auto& query : queries) {
    const auto expected = generate(vlm, {query}, interventions).at(0);
    const auto answer = generate(merged, {query}).at(0);
    ++check.prompts;
    check.equal += answer == expected;
    if (answer != expected && check.difference.empty())
      check.difference = fmt::format("'{}': '{}' with the patches, '{}' from the folder",
                                     query.text, expected, answer);
  }
  return check;
}

void print_size(const ExportResult& result) {
  std::cout << fmt::format("  written   {}  ({} tensors, {} changed, {:.1f} MB)\n", result.output,
                           result.tensors, result.changed, result.bytes / 1e6);
}

void print_facts(nlohmann::json facts) {
  facts["version"] = EMEND_VERSION;
  print_json(facts);
}

void report_folder(const ExportArguments& arguments, const ExportResult& result,
                   const Check& check) {
  if (check.equal < check.prompts)
    logger().warn(
        "{} of {} edited prompts have another answer in the exported folder; {}{}",
        check.prompts - check.equal, check.prompts, check.difference,
        result.rounding.largest > 0 ? ". Hint: --weights-dtype fp32 avoids rounding" : "");
  if (arguments.common.json) {
    auto facts = to_json(result);
    facts["checked_prompts"] = check.prompts;
    facts["equal_answers"] = check.equal;
    return print_facts(std::move(facts));
  }
  print_size(result);
  std::cout << fmt::format("  rounding  {:.2g} of the change, at most ({})\n",
                           result.rounding.largest, result.rounding.weight);
  if (check.prompts > 0)
    std::cout << fmt::format("  checked   {} of {} edited prompts have the same answer\n",
                             check.equal, check.prompts);
  for (const auto& note : result.notes) std::cout << fmt::format("  note      {}\n", note);
}

void report_gguf(const ExportArguments& arguments, const ExportResult& result) {
  if (result.rounding.largest > kLostChange)
    logger().warn(
        "rounding adds {:.2g} of the change to {}, so that the edit can be lost. Hint: use "
        "--weights-dtype bf16, fp16 or fp32",
        result.rounding.largest, result.rounding.weight);
  if (arguments.common.json) return print_facts(to_json(result));
  print_size(result);
  if (!result.projector.empty())
    std::cout << fmt::format("  written   {}  (vision tower and projector)\n", result.projector);
  if (result.changed > 0)
    std::cout << fmt::format("  rounding  {:.2g} of the change, at most ({})\n",
                             result.rounding.largest, result.rounding.weight);
  for (const auto& note : result.notes) std::cout << fmt::format("  note      {}\n", note);
}

// An adapter for PEFT, or for llama.cpp.
void report_adapter(const ExportArguments& arguments, const ExportResult& result) {
  if (arguments.common.json) return print_facts(to_json(result));
  std::vector<std::vector<std::string>> rows = {{"layer", "rank", "relative error"}};
  for (const auto& layer : result.layers)
    rows.push_back({layer.site, std::to_string(layer.rank),
                    layer.error > 0 ? fmt::format("{:.2g}", layer.error) : "exact"});
  std::cout << table(rows) << fmt::format("  written   {}\n", result.output);
}

void export_model(const ExportArguments& arguments) {
  auto options = arguments.options;
  if (arguments.patches.empty() && options.format != "gguf")
    throw Error("cli::export", "--patch is missing", "give the file that `emend edit -o` wrote");
  check_export_options(options);
  if (!arguments.check && options.format != "hf")
    throw Error("cli::export", "--no-check is for --to hf; other formats are not checked",
                "leave it out");
  prepare(arguments.common);
  const auto vlm = open_model(arguments.common);
  const auto stack = open_patches(vlm, arguments.patches);
  std::optional<WritingProgress> progress;
  if (options.format == "hf" || options.format == "gguf")
    progress.emplace().follow(options.begin, options.written);
  const auto result = export_stack(vlm, stack, arguments.output, options);
  progress.reset();
  if (options.format == "hf")
    return report_folder(arguments, result, check_answers(arguments, vlm, stack));
  options.format == "gguf" ? report_gguf(arguments, result) : report_adapter(arguments, result);
}

struct ImportArguments {
  Common common;
  std::string adapter, output;
};

void import_adapter(const ImportArguments& arguments) {
  prepare(arguments.common);
  const auto vlm = open_model(arguments.common);
  check_output_file(arguments.output, {}, "emend-patch");
  const auto patch = read_peft_adapter(vlm, arguments.adapter);
  save_patch(arguments.output, patch);
  if (arguments.common.json)
    return print_json({{"kind", "import"},
                       {"patch", arguments.output},
                       {"id", patch.id},
                       {"sites", patch.deltas.size()},
                       {"version", EMEND_VERSION}});
  std::cout << fmt::format("  written   {}  {}\n", arguments.output, patch.id)
            << fmt::format("  sites     {}\n", patch.deltas.size());
}

}  // namespace

void add_export(CLI::App& program) {
  auto arguments = std::make_shared<ExportArguments>();
  auto* command = program.add_subcommand("export", "Write an edited model for other programs");
  command->footer(R"(
hf: a Hugging Face folder with the edits in its weights. All other files are copied.
peft: a LoRA adapter for the PEFT library, which is loaded on the unedited model. Changes of lora, rome,
memit and mend have low rank and are exact. Dense changes (ft) are approximated.
gguf: a file for llama.cpp with the edits in its weights, for text models (Llama, Mistral, Qwen2, Qwen3),
LLaVA 1.5, SmolVLM and Idefics3. The vision tower and the projector are written to a second file, whose name
ends with -mmproj.gguf. Without --patch, the unedited model is exported.
gguf-lora: a LoRA adapter for llama.cpp, which is loaded on a GGUF file of the unedited model.
Patches with a memory (ledger, serac, ike, grace, wise, liveedit) cannot be exported.

Examples:
  emend export --patch star.patch --to hf -o edited
  emend export -m llava-1.5-7b --patch a.patch --patch b.patch --to peft -o adapter
  emend export -m smollm2 --patch a.patch --to gguf --weights-dtype q8_0 -o edited.gguf)");
  add_common(*command, arguments->common);
  command->add_option("--patch", arguments->patches, "patch file; repeat it for several patches");
  command->add_option("--to", arguments->options.format, "output format")
      ->check(one_of(export_formats()))
      ->capture_default_str();
  command
      ->add_option("-o,--output", arguments->output,
                   "hf, peft: output folder, which must not exist or be empty; gguf: output file")
      ->required();
  command
      ->add_option(
          "--weights-dtype", arguments->options.dtype,
          "dtype of the written weights: stored (as in the model's folder; default of hf), "
          "bf16, fp16 (default of gguf), fp32; gguf: also q8_0")
      ->check(one_of({"stored", "bf16", "fp16", "fp32", "q8_0"}));
  command->add_option("--gguf-pre", arguments->options.pre_tokenizer,
                      "gguf: llama.cpp's name of the pre-tokenizer, if it is not recognized");
  command
      ->add_option("--rank", arguments->options.low_rank.rank,
                   "peft, gguf-lora: rank of dense changes")
      ->check(whole_number(1, 1000000));
  command
      ->add_option(
          "--max-error", arguments->options.low_rank.max_error,
          "peft, gguf-lora: largest relative error of dense changes, if --rank is not given")
      ->check(real_number(0, 1))
      ->capture_default_str();
  command->add_flag("!--no-check", arguments->check,
                    "hf: do not check the exported folder with the edited prompts");
  command->callback([arguments] { export_model(*arguments); });
}

void add_import(CLI::App& program) {
  auto arguments = std::make_shared<ImportArguments>();
  auto* command = program.add_subcommand("import", "Make a patch from a LoRA adapter of PEFT");
  command->footer(R"(
The patch can be applied, combined with edits and measured like any other.

Example:
  emend import -m smollm2 adapter -o adapter.patch)");
  add_common(*command, arguments->common);
  command->add_option("adapter", arguments->adapter, "folder with adapter_config.json")->required();
  command->add_option("-o,--output", arguments->output, "patch file to write")->required();
  command->callback([arguments] { import_adapter(*arguments); });
}

}  // namespace emend::cli
