#pragma once

#include <fmt/format.h>

#include <cstdio>

#include "io/error.h"
#include "io/runtime.h"

namespace emend::bench {

// The main function of a benchmark: sets the runtime as emend does, and prints an error as one line
// with exit status 1.
inline int run_benchmark(int (*run)(int argc, char** argv), int argc, char** argv) {
  restart_with_runtime_settings(argv);
  try {
    return run(argc, argv);
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}

}  // namespace emend::bench
