#pragma once

#include <ATen/ATen.h>

#include <map>
#include <string>
#include <vector>

#include "suites/scenes/scenes.h"

namespace emend::pretrain {

// What can be read from a picture: everything, all but colours, or colours alone.
enum class Legible { all, forms, colours };

// Auxiliary heads, thrown away after pretraining: one reads every place's shape, colour and size
// from the patches that lie there, one reads the whole scene from the queries: a query for each
// place, one for each shape (its colour, size and place), one for the background, one for the
// creature.
class Heads {
 public:
  // grid: patches per side, a multiple of 3.
  Heads(int64_t vision_width, int64_t query_width, int64_t queries, int64_t grid, uint64_t seed);

  const std::map<std::string, at::Tensor>& parameters() const { return parameters_; }
  struct Loss {
    at::Tensor patches, queries;  // scalars
    // Shares read right from the queries: places with something, shapes that are shown, creatures.
    double places_right, shapes_right, creatures_right;
  };
  // vision: (N, 1 + grid^2, Dv) after the last norm; queries: (N, Q, Dq) before the projection.
  Loss loss(const at::Tensor& vision, const at::Tensor& queries,
            const std::vector<const scenes::Scene*>& scenes, Legible legible) const;

 private:
  at::Tensor read(const std::string& name, const at::Tensor& x) const;

  std::map<std::string, at::Tensor> parameters_;
  int64_t grid_;
};

}  // namespace emend::pretrain
