#pragma once

#include <ATen/Parallel.h>

namespace emend {

// For tests only: sets LibTorch's number of threads, and restores it at the end of the scope.
class ThreadGuard {
 public:
  explicit ThreadGuard(int threads) : before_(at::get_num_threads()) {
    at::set_num_threads(threads);
  }
  ThreadGuard(const ThreadGuard&) = delete;
  ThreadGuard& operator=(const ThreadGuard&) = delete;
  ~ThreadGuard() { at::set_num_threads(before_); }

 private:
  int before_;
};

}  // namespace emend
