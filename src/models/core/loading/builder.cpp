#include "models/core/loading/builder.h"

namespace emend {

Builder Model::builder(Weights& weights, size_t stage) {
  return {weights, parameters_, sites_, site_weights_, stage};
}

at::Tensor Builder::parameter(const std::string& name, at::IntArrayRef shape) const {
  return parameters.emplace(name, weights.take(name, shape)).first->second;
}

at::Tensor Builder::matrix(const std::string& name, int64_t rows, int64_t columns) const {
  return parameters.emplace(name, weights.take_matrix(name, {rows, columns})).first->second;
}

Linear Builder::linear(const std::string& path, int64_t in, int64_t out, bool bias) const {
  auto layer = tied(path, matrix(path + ".weight", out, in));
  if (bias) layer.bias = parameter(path + ".bias", {out});
  return layer;
}

Linear Builder::tied(const std::string& path, const at::Tensor& weight) const {
  Linear layer;
  layer.weight = weight;
  layer.site = static_cast<int64_t>(sites.size());
  sites.push_back({path, stage, weight.size(1), weight.size(0)});
  site_weights.push_back(weight);
  return layer;
}

LayerNorm Builder::norm(const std::string& path, int64_t width, double eps, bool affine) const {
  LayerNorm layer;
  if (affine) {
    layer.weight = parameter(path + ".weight", {width});
    layer.bias = parameter(path + ".bias", {width});
  }
  layer.width = width;
  layer.eps = eps;
  return layer;
}

RmsNorm Builder::rms_norm(const std::string& path, int64_t width, double eps) const {
  return {parameter(path + ".weight", {width}), eps};
}

Embedding Builder::embedding(const std::string& path, int64_t count, int64_t width) const {
  return {matrix(path + ".weight", count, width), weights.dtype()};
}

}  // namespace emend
