#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <vector>

#include "suites/scenes.h"

namespace emend::pretrain {

// Drawn scenes with their pictures at the model's own size, so that a training step only has to copy.
class Pool {
 public:
  // side: the model's image size in pixels. Drawn by `threads` threads; the same for any number.
  Pool(scenes::Split split, int64_t count, int side, uint64_t seed, int threads);

  int64_t size() const { return static_cast<int64_t>(scenes_.size()); }
  const scenes::Scene& scene(int64_t index) const { return scenes_[index]; }
  // (n, 3, side, side) float32, normalised with CLIP's mean and deviation as the processor does.
  at::Tensor pixels(const std::vector<int64_t>& indices) const;
  // Draws this entry anew.
  void redraw(int64_t index, uint64_t seed);

 private:
  scenes::Split split_;
  int side_;
  std::vector<scenes::Scene> scenes_;
  at::Tensor bytes_;  // (count, side, side, 3) uint8
};

}  // namespace emend::pretrain
