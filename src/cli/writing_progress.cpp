#include "cli/writing_progress.h"

#include <CLI/CLI.hpp>
#include <iostream>

namespace emend::cli {

void WritingProgress::follow(std::function<void(uint64_t)>& begin,
                             std::function<void(uint64_t)>& written) {
  begin = [this](uint64_t bytes) { all_ = bytes; };
  written = [this](uint64_t bytes) { add(bytes); };
}

void WritingProgress::add(uint64_t bytes) {
  done_ += bytes;
  if (!progress_)
    progress_ = std::make_unique<Progress>("writing, MB", static_cast<int64_t>(all_ / 1'000'000));
  progress_->set(static_cast<int64_t>(done_ / 1'000'000));
  if (InterruptGuard::interrupted()) {
    std::cerr << "emend: stopped; nothing was written\n";
    throw CLI::RuntimeError(128 + InterruptGuard::signal());
  }
}

}  // namespace emend::cli
