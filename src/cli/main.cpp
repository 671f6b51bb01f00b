#include <csignal>

#include "cli/program.h"
#include "io/runtime.h"

int main(int argc, char** argv) {
  emend::restart_with_runtime_settings(argv);
  // A write beyond the file size limit then fails with an error and does not end the process.
  std::signal(SIGXFSZ, SIG_IGN);
  return emend::cli::run_program(argc, argv);
}
