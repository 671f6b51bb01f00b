#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace emend {

// What is added to a linear layer's weight while it runs; the stored weight is never written.
// Either `dense` (out, in), or low-rank `up` (out, r) and `down` (r, in) with delta = up @ down;
// float32 whatever the weight's dtype. May require grad.
struct WeightDelta {
  at::Tensor dense;
  at::Tensor up;
  at::Tensor down;

  bool low_rank() const { return up.defined(); }
  // (out, in), float32.
  at::Tensor materialised() const { return low_rank() ? at::matmul(up, down) : dense; }
};

// Sees the tensor at its point, (R, T, C) with R rows of the part that runs, and returns what flows
// on. An observer returns its argument.
using Transform = std::function<at::Tensor(const at::Tensor&)>;

// What hangs on one point, in order. `rows`: (R) bool, the rows it acts on; undefined: all.
struct Attachment {
  enum class Kind { input, weight, output } kind;
  WeightDelta delta;    // kind weight
  Transform transform;  // kinds input, output
  at::Tensor rows;
};

// The transform's result where `rows` says so (undefined: everywhere), the very bits of x
// elsewhere. Throws emend::Error when the transform changes the shape.
at::Tensor apply_transform(const at::Tensor& x, const Transform& transform, const at::Tensor& rows);

// Every site's attachments, by site number. A model that runs unedited gets an empty one.
struct Attachments {
  std::vector<std::vector<Attachment>> by_site;

  const std::vector<Attachment>* at(int64_t site) const {
    return site >= 0 && static_cast<size_t>(site) < by_site.size() && !by_site[site].empty()
               ? &by_site[site]
               : nullptr;
  }
};

}  // namespace emend
