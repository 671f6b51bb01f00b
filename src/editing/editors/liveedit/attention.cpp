#include "editing/editors/liveedit/attention.h"

#include <cmath>
#include <limits>

namespace emend {

TrainedLinear TrainedLinear::draw(int64_t in, int64_t out, at::Generator generator,
                                  at::Device device) {
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  const auto uniform = [&](at::IntArrayRef shape) {
    return at::mul(at::rand(shape, generator) * 2 - 1, bound).to(device).requires_grad_();
  };
  const auto weight = uniform({out, in});
  return {weight, uniform({out})};
}

void TrainedLinear::add_to(NamedTensors& all, const std::string& name) const {
  all.emplace_back(name + ".weight", weight);
  all.emplace_back(name + ".bias", bias);
}

TrainedNorm TrainedNorm::of(int64_t width, at::Device device) {
  const auto on = at::device(device).dtype(at::kFloat);
  return {at::ones({width}, on).requires_grad_(), at::zeros({width}, on).requires_grad_()};
}

void TrainedNorm::add_to(NamedTensors& all, const std::string& name) const {
  all.emplace_back(name + ".weight", weight);
  all.emplace_back(name + ".bias", bias);
}

CrossAttention::CrossAttention(const Widths& widths, at::Generator generator, at::Device device)
    : heads_(widths.heads),
      query_(TrainedLinear::draw(widths.queries, widths.keys, generator, device)),
      key_(TrainedLinear::draw(widths.states, widths.keys, generator, device)),
      value_(TrainedLinear::draw(widths.states, widths.values, generator, device)) {}

at::Tensor CrossAttention::operator()(const at::Tensor& queries, const at::Tensor& states,
                                      const at::Tensor& positions) const {
  const auto by_head = [&](const at::Tensor& x) {  // (B, T, W) -> (B, heads, T, W / heads)
    return x.view({x.size(0), x.size(1), heads_, -1}).transpose(1, 2);
  };
  const auto query = by_head(query_(queries)), key = by_head(key_(states));
  const auto scores =
      at::matmul(query, key.transpose(2, 3)) / std::sqrt(static_cast<double>(key.size(3)));
  const auto attended = scores.masked_fill(positions.logical_not().unsqueeze(1).unsqueeze(1),
                                           std::numeric_limits<float>::lowest());
  return at::matmul(attended.softmax(-1), by_head(value_(states))).transpose(1, 2).flatten(2);
}

void CrossAttention::add_to(NamedTensors& all, const std::string& name) const {
  query_.add_to(all, name + ".query");
  key_.add_to(all, name + ".key");
  value_.add_to(all, name + ".value");
}

}  // namespace emend
