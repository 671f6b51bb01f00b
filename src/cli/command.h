#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/validators.h"
#include "editing/patches/patch_stack.h"
#include "editing/settings/easyedit/hparams.h"
#include "evaluation/protocol/protocol.h"
#include "models/vlm.h"
#include "suites/suite.h"

namespace emend::cli {

// Options that every command which runs a model has.
struct Common {
  std::string model;  // empty: the bundled one
  int threads = 0;    // 0: chosen for this machine
  std::string device = "cpu";
  std::string dtype = "auto";  // fp32, bf16, fp16; auto: as the model is stored
  int64_t seed = 0;
  bool no_chat_template = false;
  std::string date;  // a chat template's today; empty: today
  bool json = false;
  bool verbose = false;
};
void add_common(CLI::App& command, Common& common, bool model = true);

// How a question becomes the prompt.
struct PromptOptions {
  std::string pattern;  // --template
  bool bare = false;
};
void add_prompt_options(CLI::App& command, PromptOptions& options);
// --template's pattern; `{}` when --bare, when the model has a template of its own, and when the
// text is no question (does not end in `?`); else `Question: {} Short answer:`.
std::string prompt_template(const PromptOptions& options, const std::string& text,
                            bool model_wraps);

// How edits are judged: a named protocol, and what of it a user may choose.
struct ProtocolOptions {
  std::string name = "mmedit-2024";
  std::string bos = "auto", ranking_dtype = "auto";  // auto: as the protocol has it
};
void add_protocol_options(CLI::App& command, ProtocolOptions& options, const std::string& meaning);
Protocol make_protocol(const ProtocolOptions& options);

// Sets threads, says what is slow about this machine.
void prepare(const Common& common);
// The bundled model's folder: $EMEND_MODEL, or models/scenes-blip2 beside the program's build
// folder.
std::string model_folder(const Common& common);
Vlm open_model(const Common& common);
// The same for what a suite asks: beginnings of sentences are put into no chat template, which
// `common` says afterwards. Throws emend::Error when there are pictures and the model reads only.
Vlm open_model(Common& common, const Suite& suite);
PatchStack open_patches(const Vlm& vlm, const std::vector<std::string>& paths);
Picture open_picture(const std::string& path);  // read once, so that a bad file is found at once

// NAME=VALUE each: VALUE as JSON where it is a number, true or false, as text else.
nlohmann::json editor_settings(const std::vector<std::string>& pairs);
// One line that counts a hyper-parameter file's keys that change nothing, and, with --verbose, a
// line for each that says why.
void log_ignored_keys(const std::string& path, const std::vector<Hparams::Ignored>& ignored);
// version, threads, device, dtype (what the open model computes in) with weights (what its matrices
// are kept in) and dtype_reason, chat_template (whether prompts
// are put into the model's, where it has one), seed: what every JSON result carries.
nlohmann::json run_facts(const Common& common, const std::optional<Precision>& precision = {});
void print_json(const nlohmann::json& value);

// One a command; each adds a subcommand whose callback does the work.
void add_ask(CLI::App& program);
void add_edit(CLI::App& program);
void add_editors(CLI::App& program);
void add_inspect(CLI::App& program);
void add_patch(CLI::App& program);
void add_scenes(CLI::App& program);
void add_demo(CLI::App& program);
void add_bench(CLI::App& program);
void add_report(CLI::App& program);
void add_train(CLI::App& program);
void add_convert(CLI::App& program);

}  // namespace emend::cli
