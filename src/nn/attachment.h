#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace emend {

// A change that is added to the weight of a linear layer while it runs; the stored weight is never
// written. Either `dense` (out, in), or low-rank `up` (out, r) and `down` (r, in) with delta = up @
// down. Always float32. It may require gradients.
struct WeightDelta {
  at::Tensor dense;
  at::Tensor up;
  at::Tensor down;

  bool low_rank() const { return up.defined(); }
  // The dense delta, (out, in), float32.
  at::Tensor materialized() const { return low_rank() ? at::matmul(up, down) : dense; }
};

// Receives the tensor at its point, (R, T, C) with R rows of the batch, and returns its
// replacement. An observer returns its argument.
using Transform = std::function<at::Tensor(const at::Tensor&)>;

// Receives the input and the output of a layer, (R, T, in) and (R, T, out), and returns the
// replacement of the output.
using LayerTransform = std::function<at::Tensor(const at::Tensor& input, const at::Tensor& output)>;

// An intervention at one point of a layer; several run in order. `rows`: (R) bool, the rows that it
// changes; undefined: all.
struct Attachment {
  enum class Kind { input, weight, output } kind;
  WeightDelta delta;    // kind weight
  Transform transform;  // kinds input, output
  at::Tensor rows;
  LayerTransform layer = {};  // kind output, instead of a transform
};

// Returns the transform's result for the rows in `rows` (undefined: all), and x unchanged, bit for
// bit, for the others. Throws emend::Error if the transform changes the shape.
at::Tensor apply_transform(const at::Tensor& x, const Transform& transform, const at::Tensor& rows);

// The attachments of every site, by site number. Empty for an unedited model.
struct Attachments {
  std::vector<std::vector<Attachment>> by_site;

  const std::vector<Attachment>* at(int64_t site) const {
    return site >= 0 && static_cast<size_t>(site) < by_site.size() && !by_site[site].empty()
               ? &by_site[site]
               : nullptr;
  }
};

}  // namespace emend
