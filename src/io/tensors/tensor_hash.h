#pragma once

#include <ATen/ATen.h>

#include "io/hash.h"

namespace emend {

// Adds dtype, shape and values of a tensor to a hash. An undefined tensor differs from every
// defined one.
void update_tensor(Hasher& hash, const at::Tensor& tensor);

}  // namespace emend
