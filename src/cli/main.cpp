#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <csignal>
#include <iostream>
#include <new>

#include "cli/command.h"
#include "cli/spelling.h"
#include "io/error.h"
#include "io/runtime.h"

namespace {

constexpr const char* kFooter = R"(
Examples (the bundled model and its world need no download):
  emend demo                                     find a mistake, correct it, measure, revert
  emend ask --image cat.png -p "What color is the star?"
  emend edit --image cat.png -p "What color is the star?" --target red -o red.patch
  emend ask --image cat.png -p "What color is the star?" --patch red.patch
  emend inspect red.patch

Each command explains itself: emend COMMAND --help)";

int print_error(const std::string& line) {
  std::cout.flush();
  std::cerr << "emend: " << line << "\n";
  return 1;
}

// The first line of another library's message, as one of ours.
int report_foreign(const std::string& what, const std::string& hint) {
  return print_error(emend::Error("cli::unexpected", what.substr(0, what.find('\n')), hint).what());
}

int run_program(int argc, char** argv) {
  CLI::App program{
      "emend corrects what a vision-language model believes, measures what the correction did to\n"
      "everything else, and hands it over as a patch that comes off again.",
      "emend"};
  program.set_version_flag("--version", std::string("emend ") + EMEND_VERSION);
  program.footer(kFooter);
  program.require_subcommand(1);
  emend::cli::add_ask(program);
  emend::cli::add_edit(program);
  emend::cli::add_editors(program);
  emend::cli::add_inspect(program);
  emend::cli::add_patch(program);
  emend::cli::add_scenes(program);
  emend::cli::add_demo(program);
  emend::cli::add_bench(program);
  emend::cli::add_report(program);
  emend::cli::add_train(program);
  emend::cli::add_convert(program);
  if (argc == 1) {
    std::cout << program.help();
    return 0;
  }
  try {
    emend::cli::check_spelling(program, {argv + 1, argv + argc});
    program.parse(argc, argv);
  } catch (const CLI::RuntimeError& stopped) {  // the command has said why
    return stopped.get_exit_code();
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return program.exit(error);  // --help, --version
    auto used = program.get_subcommands();
    auto help = fmt::format("emend{} --help", used.empty() ? "" : " " + used.front()->get_name());
    std::string problem = error.what();
    // Validators say what an option must be: "--limit must be between 0 and 100".
    if (const auto colon = problem.find(": must be "); colon != std::string::npos)
      problem.erase(colon, 1);
    return print_error(emend::Error("cli::arguments", problem, help).what());
  }
  std::cout.flush();
  if (!std::cout)
    return print_error(
        emend::Error("cli::output", "the output could not be written", "is the disk full?").what());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  emend::restart_with_runtime_settings(argv);
  // A file size limit then is a failed write with its message, not the end of the process.
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    return run_program(argc, argv);
  } catch (const emend::Error& error) {
    return print_error(error.what());
  } catch (const c10::Error& error) {
    return report_foreign(error.what_without_backtrace(),
                          "this should have been caught earlier; please print_error it");
  } catch (const std::bad_alloc&) {
    return report_foreign("out of memory", "use a smaller model, or --dtype bf16");
  } catch (const std::exception& error) {
    return report_foreign(error.what(),
                          "this should have been caught earlier; please print_error it");
  }
}
