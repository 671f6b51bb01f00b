#include <fmt/format.h>
#include <fmt/ranges.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <set>
#include <thread>

#include "cli/command.h"
#include "editing/patches/patch.h"
#include "evaluation/protocol/protocol.h"
#include "io/error.h"
#include "io/files/file.h"
#include "io/log.h"
#include "io/runtime.h"
#include "io/strings/shell.h"
#include "serving/api/workbench.h"
#include "serving/http_server.h"

namespace emend::cli {
namespace {

struct ServeArguments {
  Common common;
  std::vector<std::string> patches;
  std::string token_file, workspace;
  WorkbenchOptions workbench;
  bool open = false;
  ServerOptions server;
  EngineOptions engine;
  int64_t timeout = 120, max_body_mb = 32;
};

// NAME=FILE, or FILE, whose name without its ending is used.
std::pair<std::string, std::string> named_patch(const std::string& argument) {
  const auto equals = argument.find('=');
  if (equals != std::string::npos && argument.find('/') > equals)
    return {argument.substr(0, equals), argument.substr(equals + 1)};
  return {std::filesystem::path(argument).stem().string(), argument};
}

struct NamedPatch {
  std::string name, path;
  Patch patch;
};

// The workspace may be null. Throws emend::Error if two patches, also of the workspace, have one
// name.
std::vector<NamedPatch> read_patches(const std::vector<std::string>& options,
                                     const Workspace* workspace) {
  std::set<std::string> names;
  if (workspace)
    for (const auto& name : workspace->patch_names()) names.insert(name);
  std::vector<NamedPatch> patches;
  for (const auto& argument : options) {
    const auto [name, path] = named_patch(argument);
    ModelNames::check_name(name);
    if (!names.insert(name).second) ModelNames::refuse_duplicate(name);
    patches.push_back({name, path, load_patch(path)});
  }
  return patches;
}

// The first line of the file.
std::string read_token(const std::string& path) {
  auto token = read_file(path);
  token = token.substr(0, token.find_first_of("\r\n"));
  if (token.size() < 8)
    throw Error("cli::serve", fmt::format("the token in '{}' has fewer than 8 characters", path),
                "write a longer one, for example the output of `openssl rand -hex 32`");
  return token;
}

// The options of equivalent commands: those of the model that were given.
std::vector<std::string> model_arguments(const Common& common) {
  std::vector<std::string> all;
  const auto add = [&](const char* name, const std::string& value, const std::string& otherwise) {
    if (value != otherwise) all.insert(all.end(), {name, value});
  };
  add("-m", common.model, "");
  add("--threads", std::to_string(common.threads), "0");
  add("--device", common.device, "cpu");
  add("--dtype", common.dtype, "auto");
  add("--seed", std::to_string(common.seed), "0");
  if (common.no_chat_template) all.push_back("--no-chat-template");
  add("--date", common.date, "");
  return all;
}

// Starts the default browser. Its output and its exit status do not matter.
void open_browser(const std::string& address) {
  std::thread([address] {
    const auto command = "xdg-open " + shell_quoted(address) + " >/dev/null 2>&1";
    if (std::system(command.c_str()) != 0)
      logger().warn("no browser was started; open {} in a browser", address);
  }).detach();
}

void serve(ServeArguments arguments) {
  prepare(arguments.common);
  if (!arguments.token_file.empty()) arguments.server.token = read_token(arguments.token_file);
  arguments.server.question_template = Protocol().question_template;
  arguments.server.max_body_bytes = static_cast<size_t>(arguments.max_body_mb) << 20;
  arguments.engine.timeout = std::chrono::seconds(arguments.timeout);
  // A model can take minutes to load. Everything else that can be wrong is found before.
  HttpServer server(arguments.server);
  auto& options = arguments.workbench;
  if (!arguments.workspace.empty())
    options.workspace = std::make_shared<Workspace>(arguments.workspace, options.runs);
  auto patches = read_patches(arguments.patches, options.workspace.get());
  const auto vlm = open_model(arguments.common);
  ModelNames models(vlm);
  Engine engine(vlm, models, arguments.engine);
  options.max_new_tokens = arguments.server.limits.max_new_tokens;
  options.run_facts = run_facts(arguments.common, vlm.precision);
  options.arguments = model_arguments(arguments.common);
  options.seed = arguments.common.seed;
  Workbench workbench(vlm, models, engine, options);
  for (auto& one : patches) workbench.library().add_file(one.name, one.path, std::move(one.patch));
  const auto address = fmt::format("http://{}:{}", arguments.server.host, server.port());
  std::cout << fmt::format("  serving   {}/v1\n  workbench {}/\n  models    {}\n", address, address,
                           fmt::join(models.list(), ", "))
            << std::flush;
  if (arguments.open) open_browser(address + "/");
  InterruptGuard guard;
  std::atomic<bool> ended = false;
  std::thread watch([&] {
    while (!ended && !InterruptGuard::interrupted())
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    workbench.stop();
    server.stop();
  });
  server.run(vlm, models, engine, [&](HttpRoutes& routes) { workbench.add_routes(routes); });
  ended = true;
  watch.join();
  logger().info("stopped; {} HTTP requests were answered", server.requests());
}

}  // namespace

void add_serve(CLI::App& program) {
  auto arguments = std::make_shared<ServeArguments>();
  auto* command = program.add_subcommand("serve", "Serve a model and its patches over HTTP");
  command->footer(R"(
The server has the chat API of OpenAI, so that existing clients can use it. Every combination of patches
is a model: `base` is the unedited model, `base+lyon` has the patch lyon, `base+lyon+rome` has two.
Ctrl-C ends the server after the running requests.

The page at / is the workbench: it asks questions, makes edits, and switches patches on and off. Edits
are kept in the folder of --workspace, and a server that starts again with it has all of them.

Examples:
  emend serve --patch lyon.patch --port 8080
  emend serve --workspace work --open
  emend serve -m smollm2 --patch capital=lyon.patch --patch mayor.patch
  emend serve --host 0.0.0.0 --token-file token.txt)");
  add_common(*command, arguments->common);
  command->add_option("--patch", arguments->patches,
                      "patch to serve: FILE, or NAME=FILE; repeat it for several patches");
  auto& workbench = arguments->workbench;
  command->add_option("--workspace", arguments->workspace,
                      "folder for the edits, jobs and exports of the workbench; created if it does "
                      "not exist");
  command->add_option("--runs", workbench.runs,
                      "folder with results of emend bench for the workbench; default: runs/ of "
                      "--workspace");
  command->add_flag("--open", arguments->open, "open the workbench in the default browser");
  auto& server = arguments->server;
  command
      ->add_option("--host", server.host,
                   "address to listen on; addresses other than loopback need --token-file")
      ->capture_default_str();
  command->add_option("--port", server.port, "TCP port; 0: any free port")
      ->check(whole_number(0, 65535))
      ->capture_default_str();
  command->add_option("--token-file", arguments->token_file,
                      "file with the token that clients must send (API key)");
  command
      ->add_option("--max-new-tokens", server.limits.max_new_tokens,
                   "maximum number of tokens of an answer")
      ->check(whole_number(1, 1000000))
      ->capture_default_str();
  command
      ->add_option("--max-batch", arguments->engine.max_batch,
                   "maximum number of requests that run together")
      ->check(whole_number(1, 1024))
      ->capture_default_str();
  command
      ->add_option("--max-waiting", arguments->engine.max_waiting,
                   "maximum number of waiting requests; further requests get status 503")
      ->check(whole_number(1, 100000))
      ->capture_default_str();
  command->add_option("--timeout", arguments->timeout, "maximum time of a request, in seconds")
      ->check(whole_number(1, 86400))
      ->capture_default_str();
  command->add_option("--max-body-mb", arguments->max_body_mb, "maximum size of a request, in MB")
      ->check(whole_number(1, 4096))
      ->capture_default_str();
  command->callback([arguments] { serve(*arguments); });
}

}  // namespace emend::cli
