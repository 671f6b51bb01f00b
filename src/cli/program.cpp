#include "cli/program.h"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <new>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "cli/blank_values.h"
#include "cli/command.h"
#include "cli/parse_errors.h"
#include "cli/spelling.h"
#include "io/error.h"
#include "io/exception_message.h"

namespace {

constexpr const char* kFooter = R"(
Examples (the bundled model needs no download):
  emend demo                                     find a mistake, correct it, measure, revert
  emend ask --image picture.png -p "What color is the star?"
  emend edit --image picture.png -p "What color is the star?" --target red -o red.patch
  emend ask --image picture.png -p "What color is the star?" --patch red.patch
  emend inspect red.patch

emend COMMAND --help describes a command.)";

// CLI11 prints the names after `Needs:` and `Excludes:` in the order of addresses, which can differ
// between runs. This prints them in alphabetical order.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option_opts(const CLI::Option* option) const override {
    std::istringstream words(CLI::Formatter::make_option_opts(option));
    std::vector<std::string> kept, names;
    bool listed = false;
    const auto flush = [&] {
      std::sort(names.begin(), names.end());
      kept.insert(kept.end(), names.begin(), names.end());
      names.clear();
    };
    for (std::string word; words >> word;) {
      const bool begins = word == "Needs:" || word == "Excludes:";
      if (begins) flush();
      listed = listed || begins;
      (listed && !begins ? names : kept).push_back(word);
    }
    flush();
    std::string text;
    for (const auto& word : kept) text += " " + word;
    return text;
  }
};

bool is_verbose(int argc, char** argv) {
  return std::any_of(argv + 1, argv + argc, [](std::string_view argument) {
    return argument == "-v" || argument == "--verbose";
  });
}

int print_error(const std::string& line, bool verbose) {
  std::cout.flush();
  std::cerr << "emend: " << (verbose ? line : emend::without_places(line)) << "\n";
  return 1;
}

// Reports an exception from another library as an emend error.
int report_unexpected(const std::string& message, const std::string& hint) {
  return print_error(emend::Error("cli::unexpected", message, hint).what(), true);
}

int run_command(int argc, char** argv) {
  CLI::App program{
      "emend edits facts in vision-language models, measures the side effects, and saves each edit "
      "as\n"
      "a patch, a small file that can be applied and removed.",
      "emend"};
  program.formatter(std::make_shared<HelpFormatter>());
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
  emend::cli::add_trace(program);
  emend::cli::add_train(program);
  emend::cli::add_stats(program);
  emend::cli::add_convert(program);
  emend::cli::add_export(program);
  emend::cli::add_import(program);
  emend::cli::add_serve(program);
  emend::cli::refuse_blank_values(program);
  if (argc == 1) {
    std::cout << program.help();
    return 0;
  }
  try {
    emend::cli::check_spelling(program, {argv + 1, argv + argc});
    program.parse(argc, argv);
  } catch (const CLI::RuntimeError& stopped) {  // the command already printed a message
    return stopped.get_exit_code();
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return program.exit(error);  // --help, --version
    return print_error(emend::cli::explained(program, error).what(), is_verbose(argc, argv));
  }
  std::cout.flush();
  if (!std::cout)
    return print_error(
        emend::Error("cli::output", "the output could not be written", "check the free disk space")
            .what(),
        is_verbose(argc, argv));
  return 0;
}

}  // namespace

namespace emend::cli {

int run_program(int argc, char** argv) {
  try {
    return run_command(argc, argv);
  } catch (const emend::Error& error) {
    return print_error(error.what(), is_verbose(argc, argv));
  } catch (const std::bad_alloc&) {
    return report_unexpected("out of memory", "use a smaller model, or --dtype bf16");
  } catch (const std::exception& error) {
    return report_unexpected(exception_message(error),
                             "this is an error in emend; please report it");
  }
}

}  // namespace emend::cli
