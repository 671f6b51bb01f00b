#pragma once

#include "nn/attachment.h"

namespace emend {

// y = x W^T + b. Interventions attach here to a weight, its input and its output.
struct Linear {
  at::Tensor weight;  // (out, in); if x is float32, bfloat16 or half are possible, too
  at::Tensor bias;    // (out), or undefined
  int64_t site = -1;  // number in Model::sites()

  // x: (R, ..., in) -> (R, ..., out), in x's dtype. Attachments run in this order: input, weight (y
  // += x delta^T, computed in float32), output.
  at::Tensor operator()(const at::Tensor& x, const Attachments& attachments) const;
};

}  // namespace emend
