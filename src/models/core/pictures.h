#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace emend {

// The preprocessed pictures of a batch, which can have different sizes. Each is a float32 tensor
// (3, H, W), or of another shape that the architecture's image processor makes for one picture.
class Pictures {
 public:
  Pictures() = default;
  // (N, ...): N pictures of one size, or none if undefined.
  Pictures(const at::Tensor& same_size);
  explicit Pictures(std::vector<at::Tensor> pictures) : pictures_(std::move(pictures)) {}

  bool defined() const { return !pictures_.empty(); }
  int64_t size() const { return static_cast<int64_t>(pictures_.size()); }
  const at::Tensor& operator[](int64_t picture) const {
    return pictures_.at(static_cast<size_t>(picture));
  }
  std::vector<at::Tensor>::const_iterator begin() const { return pictures_.begin(); }
  std::vector<at::Tensor>::const_iterator end() const { return pictures_.end(); }

  void append(const Pictures& more);
  Pictures narrow(int64_t first, int64_t count) const;
  Pictures repeat(int64_t times) const;
  Pictures to(at::Device device) const;
  bool same_size() const;
  // (N, ...), a new tensor. Throws emend::Error if the pictures have different sizes.
  at::Tensor stacked() const;

 private:
  std::vector<at::Tensor> pictures_;
};

// States of single pictures, (1, P, D) each, as one tensor (N, longest P, D), with zeros behind the
// shorter ones.
at::Tensor padded_states(const std::vector<at::Tensor>& states);

}  // namespace emend
