#pragma once

#include <ATen/record_function.h>

#include <cstdint>

namespace emend::bench {

// Counts the floating-point operations of matrix multiplications and convolutions that run while it
// exists, forward and backward, on all threads. A multiplication with addition counts as two. The
// counts come from the shapes of the operands. Element-wise operations are not counted. Only one
// counter may exist at a time.
class FlopCounter {
 public:
  FlopCounter();
  FlopCounter(const FlopCounter&) = delete;
  FlopCounter& operator=(const FlopCounter&) = delete;
  ~FlopCounter();
  int64_t operations() const;

 private:
  at::CallbackHandle handle_;
};

}  // namespace emend::bench
