#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/validators.h"
#include "editing/patches/patch_stack.h"
#include "editing/settings/easyedit/hparams.h"
#include "editing/settings/settings_file.h"
#include "evaluation/protocol/prompt_template.h"
#include "evaluation/protocol/protocol.h"
#include "io/strings/counted.h"
#include "models/vlm.h"
#include "suites/suite.h"

namespace emend::cli {

// Options of every command that runs a model.
struct Common {
  std::string model;  // empty: the bundled model
  int threads = 0;    // 0: chosen for this machine
  int processes = 1;  // number of processes that share the work
  std::string device = "cpu";
  std::string dtype = "auto";  // fp32, bf16, fp16; auto: chosen for the stored dtype
  int64_t seed = 0;
  bool no_chat_template = false;
  std::string date;  // today's date in chat templates; empty: the current date
  bool json = false;
  bool verbose = false;
};
void add_common(CLI::App& command, Common& common, bool model = true);

// Options that turn a question into a prompt: --template, --bare.
void add_prompt_options(CLI::App& command, PromptOptions& options);

// A named protocol and the fields that a user may override.
struct ProtocolOptions {
  std::string name = "mmedit-2024";
  std::string bos = "auto", ranking_dtype = "auto";  // auto: as the protocol defines
};
void add_protocol_options(CLI::App& command, ProtocolOptions& options, const std::string& meaning);
Protocol make_protocol(const ProtocolOptions& options);

// Sets the number of threads and warns about a slow BLAS.
void prepare(const Common& common);
// The folder of --model, or of the bundled model: $EMEND_MODEL, the installed one, or the one in
// the source tree of the build folder.
std::string model_folder(const Common& common);
// The number of threads that suits a small model; 0: the model is not small.
int threads_for(const std::string& folder);
Vlm open_model(const Common& common);
// The options --data, --images and --rephrase-images.
void add_suite_files(CLI::App& command, SuiteOptions& suite);

// Refuses options of a command that are given and that none of its suites has. Without a suite,
// these are all options of suites.
void check_suite_options(const CLI::App& command, const std::string& suites);

// Opens a model for a suite. For a suite of texts to complete, the chat template is turned off in
// `common`. Throws emend::Error when the suite has pictures and the model is text-only.
Vlm open_model(Common& common, const Suite& suite);
PatchStack open_patches(const Vlm& vlm, const std::vector<std::string>& paths);
Picture open_picture(const std::string& path);  // reads the file, so that errors occur early

// Warns of given settings that have no effect next to the others; see EditorInfo.
void warn_without_effect(const EditorSpec& spec);
// Logs how many keys of a hyperparameter file have no effect and, with --verbose, the reason for
// each key.
void log_ignored_keys(const std::string& path, const std::vector<Hparams::Ignored>& ignored);
// The fields of every JSON result: version, threads, device, dtype (of computation), weights (dtype
// of the stored matrices), dtype_reason, chat_template (whether it is applied if the model has
// one), seed.
nlohmann::json run_facts(const Common& common, const std::optional<Precision>& precision = {});
void print_json(const nlohmann::json& value);

// Each function adds a subcommand whose callback runs the command.
void add_ask(CLI::App& program);
void add_edit(CLI::App& program);
void add_editors(CLI::App& program);
void add_inspect(CLI::App& program);
void add_patch(CLI::App& program);
void add_scenes(CLI::App& program);
void add_demo(CLI::App& program);
void add_bench(CLI::App& program);
void add_report(CLI::App& program);
void add_stats(CLI::App& program);
void add_trace(CLI::App& program);
void add_train(CLI::App& program);
void add_convert(CLI::App& program);
void add_export(CLI::App& program);
void add_import(CLI::App& program);
void add_serve(CLI::App& program);

}  // namespace emend::cli
