#pragma once

#include <ATen/record_function.h>

#include <cstdint>

namespace emend::bench {

// Counts the floating-point operations of the matrix multiplications and convolutions that are
// executed while it exists, forward and backward, on all threads: two for a multiply and add, from
// the shapes that the kernels get. Element-wise work is not counted. One at a time.
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
