#include "cli/blank_values.h"

#include <string>

#include "io/strings/blank.h"

namespace emend::cli {

void refuse_blank_values(CLI::App& program) {
  for (auto* option : program.get_options()) {
    const bool is_flag = option->get_expected_max() == 0;
    // An empty --locality-image means that one of several questions has no picture.
    if (is_flag || option->check_lname("locality-image")) continue;
    const std::string problem = option->get_required()
                                    ? "must not be empty"
                                    : "must not be empty; omit it to use its default";
    option->check(
        [problem](const std::string& text) { return is_blank(text) ? problem : std::string(); });
  }
  for (auto* command : program.get_subcommands(nullptr)) refuse_blank_values(*command);
}

}  // namespace emend::cli
