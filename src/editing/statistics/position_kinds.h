#pragma once

#include <ATen/ATen.h>

#include "models/core/pass.h"

namespace emend {

// The positions of a batch by kind, as indices into the flattened (B * T), int64. Padding has no
// kind. Position 0 of a row is `first`, even if it is part of a picture.
struct PositionKinds {
  at::Tensor text, image, first;

  static PositionKinds of(const Pass& pass) {
    const auto first = pass.positions == 0;
    const auto others = pass.mask.logical_and(first.logical_not());
    const auto image = pass.ids == kImageToken;
    const auto indices = [](const at::Tensor& chosen) {
      return chosen.flatten().nonzero().squeeze(1);
    };
    return {indices(others.logical_and(image.logical_not())), indices(others.logical_and(image)),
            indices(first)};
  }
};

}  // namespace emend
