#pragma once

#include "nn/attachment.h"

namespace emend {

// y = x W^T + b, and the one place where editors reach a weight, its input and its output.
struct Linear {
  at::Tensor weight;  // (out, in); where x is float32, it may be stored in bfloat16 or half
  at::Tensor bias;    // (out), or undefined
  int64_t site = -1;  // number in Model::sites()

  // x: (R, ..., in) -> (R, ..., out), in x's dtype. Attachments act in order:
  // input, then weight (y += x delta^T, computed in float32), then output.
  at::Tensor operator()(const at::Tensor& x, const Attachments& attachments) const;
};

}  // namespace emend
