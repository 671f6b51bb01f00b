#pragma once

#include <ATen/ATen.h>

#include <map>
#include <string>
#include <vector>

#include "suites/scenes/scenes.h"

namespace emend::pretrain {

// The part of a picture's content that is visible: everything, everything but colors, only colors.
enum class HeadTargets { all, shapes, colors };

// Auxiliary heads, which are dropped after pretraining. One predicts the shape, color and size at
// every place from the patches there. One predicts the whole scene from the queries: there is a
// query for each place, for each shape (its color, size and place), for the background, and for the
// creature.
class Heads {
 public:
  // grid: patches per side, a multiple of 3.
  Heads(int64_t vision_width, int64_t query_width, int64_t queries, int64_t grid, uint64_t seed);

  const std::map<std::string, at::Tensor>& parameters() const { return parameters_; }
  struct Loss {
    at::Tensor patches, queries;  // scalars
    // Fractions of correct predictions from the queries: places with a shape, shapes of the scene,
    // creatures.
    double places_right, shapes_right, creatures_right;
  };
  // vision: (N, 1 + grid^2, Dv) after the last norm; queries: (N, Q, Dq) before the projection.
  Loss loss(const at::Tensor& vision, const at::Tensor& queries,
            const std::vector<const scenes::Scene*>& scenes, HeadTargets targets) const;

 private:
  at::Tensor read(const std::string& name, const at::Tensor& x) const;

  std::map<std::string, at::Tensor> parameters_;
  int64_t grid_;
};

}  // namespace emend::pretrain
