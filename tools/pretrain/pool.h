#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <vector>

#include "suites/scenes/scenes.h"

namespace emend::pretrain {

// Rendered scenes at the model's image size, so that a training step only copies them.
class Pool {
 public:
  // side: the model's image size in pixels. The result does not depend on `threads`.
  Pool(scenes::Split split, int64_t count, int side, uint64_t seed, int threads);

  int64_t size() const { return static_cast<int64_t>(scenes_.size()); }
  const scenes::Scene& scene(int64_t index) const { return scenes_[index]; }
  // (n, 3, side, side) float32 from 0 to 1.
  at::Tensor pictures(const std::vector<int64_t>& indices) const;
  // Renders a new scene for this entry.
  void redraw(int64_t index, uint64_t seed);

 private:
  scenes::Split split_;
  int side_;
  std::vector<scenes::Scene> scenes_;
  at::Tensor bytes_;  // (count, side, side, 3) uint8
};

// Normalizes with CLIP's mean and standard deviation, as the processor does.
at::Tensor normalized(const at::Tensor& pictures);

// Augmentation of the light: scales the channels of each picture and adds a smooth color gradient.
at::Tensor vary_light(const at::Tensor& pictures, scenes::Rng& rng);
// Keeps only brightness, with one random tint and a gradient: teaches shapes without their colors
// and surroundings, so that the model can combine them in new ways.
at::Tensor tint(const at::Tensor& pictures, scenes::Rng& rng);
// Shuffles the small tiles of each place within it: teaches colors without shapes.
at::Tensor shuffle_tiles(const at::Tensor& pictures, scenes::Rng& rng);

}  // namespace emend::pretrain
