#pragma once

#include <map>
#include <string>
#include <vector>

#include "models/core/loading/weights.h"
#include "models/core/model.h"
#include "nn/embedding.h"
#include "nn/linear/linear.h"
#include "nn/norm/layer_norm.h"
#include "nn/norm/rms_norm.h"

namespace emend {

// Takes the tensors of a module by name, and records them as parameters, and linear layers as
// sites.
struct Builder {
  Weights& weights;
  std::map<std::string, at::Tensor>& parameters;
  std::vector<Site>& sites;
  std::vector<at::Tensor>& site_weights;
  size_t stage = 0;  // the stage of the next sites

  at::Tensor parameter(const std::string& name, at::IntArrayRef shape) const;
  // A weight of a linear layer or an embedding, which can stay in 16 bits (Weights::take_matrix).
  at::Tensor matrix(const std::string& name, int64_t rows, int64_t columns) const;
  Linear linear(const std::string& path, int64_t in, int64_t out, bool bias = true) const;
  // A linear layer without bias, whose weight belongs to another module.
  Linear tied(const std::string& path, const at::Tensor& weight) const;
  LayerNorm norm(const std::string& path, int64_t width, double eps, bool affine = true) const;
  RmsNorm rms_norm(const std::string& path, int64_t width, double eps) const;
  Embedding embedding(const std::string& path, int64_t count, int64_t width) const;
};

}  // namespace emend
