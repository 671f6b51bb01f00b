#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "io/progress.h"
#include "io/runtime.h"

namespace emend::cli {

// Shows how many of the weights are written. If the user interrupts, the next tensor stops the
// command with the exit status of the signal; nothing is left at the output.
class WritingProgress {
 public:
  // The callbacks refer to this object.
  void follow(std::function<void(uint64_t)>& begin, std::function<void(uint64_t)>& written);
  void end() { progress_.reset(); }

 private:
  void add(uint64_t bytes);

  InterruptGuard guard_;
  std::unique_ptr<Progress> progress_;
  uint64_t all_ = 0, done_ = 0;
};

}  // namespace emend::cli
