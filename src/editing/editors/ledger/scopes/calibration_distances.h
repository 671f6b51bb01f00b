#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace emend {

// The squared distance of each calibration question to the nearest active key of a growing list.
// The keys are compared in blocks of kBlock, and a block has the same shape in every computation:
// the bits of the distances depend on the keys only, not on how many were added at a time. Copies
// share the distances of blocks that do not change.
class CalibrationDistances {
 public:
  static constexpr int64_t kBlock = 64;
  static int64_t block_of(int64_t key) { return key / kBlock; }

  CalibrationDistances() = default;
  // questions: (M, W) float32 on the CPU.
  explicit CalibrationDistances(at::Tensor questions) : questions_(std::move(questions)) {}

  // Computes a block of keys, which is new or has changed. keys: (N, W) all keys; active: (N) bool.
  void update(int64_t block, const at::Tensor& keys, const at::Tensor& active);
  // (M) float32; infinity without an active key.
  at::Tensor nearest() const;

 private:
  at::Tensor questions_;
  std::vector<at::Tensor> blocks_;  // of each block: (M), the distances to its nearest active key
};

}  // namespace emend
