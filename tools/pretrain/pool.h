#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <vector>

#include "suites/scenes/scenes.h"

namespace emend::pretrain {

// Drawn scenes with their pictures at the model's own size, so that a training step only has to
// copy.
class Pool {
 public:
  // side: the model's image size in pixels. Drawn by `threads` threads; the same for any number.
  Pool(scenes::Split split, int64_t count, int side, uint64_t seed, int threads);

  int64_t size() const { return static_cast<int64_t>(scenes_.size()); }
  const scenes::Scene& scene(int64_t index) const { return scenes_[index]; }
  // (n, 3, side, side) float32 from 0 to 1.
  at::Tensor pictures(const std::vector<int64_t>& indices) const;
  // Draws this entry anew.
  void redraw(int64_t index, uint64_t seed);

 private:
  scenes::Split split_;
  int side_;
  std::vector<scenes::Scene> scenes_;
  at::Tensor bytes_;  // (count, side, side, 3) uint8
};

// With CLIP's mean and deviation, as the processor does.
at::Tensor normalised(const at::Tensor& pictures);

// Other light: each picture's channels are scaled and a soft gradient of colour is laid over it.
at::Tensor relit(const at::Tensor& pictures, scenes::Rng& rng);
// Brightness alone, in one random tint and under a gradient: forms are to be known without their
// colours and surroundings, so that pairs never shown are put together from what is known.
at::Tensor tinted(const at::Tensor& pictures, scenes::Rng& rng);
// The small tiles of each place thrown about within it: colours are to be known without their
// forms.
at::Tensor scattered(const at::Tensor& pictures, scenes::Rng& rng);

}  // namespace emend::pretrain
