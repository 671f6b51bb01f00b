#pragma once

namespace emend::cli {

// Parses the arguments, runs the command, and returns the exit status. An exception becomes a line
// on stderr.
int run_program(int argc, char** argv);

}  // namespace emend::cli
