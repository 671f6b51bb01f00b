#pragma once

#include <ATen/ATen.h>

#include <map>
#include <string>

#include "io/processes/process_group.h"

namespace emend {

// The sum of x x^T over positions. Products of blocks of positions are computed in float32 and
// added in float64; only the upper triangle is computed. Blocks have a fixed size, so that the bits
// do not depend on how the positions are divided into calls.
class MomentAccumulator {
 public:
  static constexpr int64_t kBlock = 1024;  // positions

  explicit MomentAccumulator(int64_t dimension) : dimension_(dimension) {}

  void add(const at::Tensor& inputs);  // (n, d), any dtype and device
  int64_t count() const { return count_; }
  // The upper triangle of the mean (see triangle.h), float32; undefined if the count is 0. Adds the
  // last, incomplete block and releases the sum, so nothing can be added afterwards.
  at::Tensor packed_mean();

  // Replaces the sums of all processes, each of which calls this, by their total.
  void sum_over(ProcessGroup& group);

  // The state as tensors of these names, and back. Throws emend::Error if a shape is wrong.
  void save(const std::string& prefix, std::map<std::string, at::Tensor>& tensors) const;
  void load(const std::string& prefix, const std::map<std::string, at::Tensor>& tensors);

 private:
  void add_block();

  int64_t dimension_, count_ = 0, filled_ = 0;
  at::Tensor block_;  // (kBlock, d) float32, of which `filled_` rows are used
  at::Tensor sum_;    // (d, d) float64; undefined before the first block
};

}  // namespace emend
