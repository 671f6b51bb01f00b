#include "editing/editors/hyper/ke_network.h"

#include <ATen/CPUGeneratorImpl.h>
#include <fmt/format.h>

#include <cmath>

#include "io/error.h"

namespace emend {
namespace {

constexpr double kSmallest = 1e-20;  // gradients with a smaller norm count as zero

// The norm of each row's sum over tokens of v u^T, computed from inner products of tokens. -> (R,
// 1, 1)
at::Tensor gradient_norm(const GradientFactors& factors) {
  auto products = at::bmm(factors.gradient, factors.gradient.transpose(1, 2)) *
                  at::bmm(factors.input, factors.input.transpose(1, 2));
  return products.sum({1, 2}, true).clamp_min(0).sqrt();
}

}  // namespace

KeNetwork::KeNetwork(const std::vector<Site>& sites, const Options& options)
    : sites_(sites), options_(options) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(options.seed);
  auto drawn = [&](at::IntArrayRef shape, double deviation) {
    return at::mul(at::randn(shape, generator, at::kFloat), deviation).to(options.device);
  };
  auto none = [&](int64_t width) {
    return at::zeros({width}, at::dtype(at::kFloat).device(options.device));
  };
  auto affine = [&](int64_t in, int64_t out, double scale) {
    return Affine{drawn({out, in}, scale / std::sqrt(static_cast<double>(in))), none(out)};
  };
  const auto reader = options.lstm_width;
  const double step = 1 / std::sqrt(static_cast<double>(reader));
  for (int direction = 0; direction < 2; ++direction) {
    lstm_.push_back(drawn({4 * reader, options.words}, step));
    lstm_.push_back(drawn({4 * reader, reader}, step));
    lstm_.push_back(none(4 * reader));
    lstm_.push_back(none(4 * reader));
  }
  condition_ = affine(2 * reader, options.condition_width, 1);
  if (options.picture > 0) picture_ = affine(options.picture, options.condition_width, 1).weight;
  for (const auto& site : sites) {
    SiteNetwork network{affine(options.condition_width, options.hidden_width, 1),
                        affine(options.hidden_width, 2 * (site.in + site.out) + 1, options.init)};
    network.out.bias.narrow(0, 0, site.in).fill_(-1);
    networks_.push_back(std::move(network));
  }
  for (auto& [name, tensor] : parameters()) tensor.requires_grad_();
}

at::Tensor KeNetwork::condition(const at::Tensor& words, const at::Tensor& lengths,
                                const at::Tensor& pictures) const {
  // The LSTM takes texts sorted by decreasing length.
  auto [sorted, order] = lengths.sort(/*stable=*/true, 0, /*descending=*/true);
  auto on = order.to(words.device());
  auto [data, batches] = at::_pack_padded_sequence(words.index_select(0, on), sorted, true);
  auto start = at::zeros({2, words.size(0), options_.lstm_width}, words.options());
  auto states = std::get<1>(at::lstm(data, batches, {start, start}, lstm_, true, 1, 0.0, false,
                                     /*bidirectional=*/true));
  auto last = at::cat({states[0], states[1]}, -1).index_select(0, on.argsort());
  auto read = at::linear(last, condition_.weight, condition_.bias);
  if (picture_.defined()) read = read + at::linear(pictures, picture_);
  return read.tanh();
}

std::vector<EditDeltas> KeNetwork::deltas(const std::vector<GradientFactors>& factors,
                                          const std::vector<at::Tensor>& conditions) const {
  std::vector<EditDeltas> deltas;
  for (size_t i = 0; i < sites_.size(); ++i) {
    const auto& own = factors.at(i);
    if (!own.input.defined()) continue;
    const auto& site = sites_[i];
    const auto& network = networks_[i];
    auto hidden = at::linear(conditions.at(i), network.in.weight, network.in.bias).tanh();
    auto parts = at::linear(hidden, network.out.weight, network.out.bias)
                     .unsqueeze(1)
                     .split_with_sizes({site.in, site.out, site.in, site.out, 1}, -1);
    const auto &q_a = parts[0], &q_b = parts[2];
    auto p_a = parts[1].softmax(-1), p_b = parts[3].softmax(-1);
    auto scale = parts[4].sigmoid() * options_.max_scale;
    auto v = own.gradient;
    if (options_.unit_gradient)
      v = v * (static_cast<double>(site.out) / gradient_norm(own).clamp_min(kSmallest));
    deltas.push_back({site.name, at::cat({v * p_a * scale, p_b * scale}, 1),
                      at::cat({own.input * q_a, q_b}, 1)});
  }
  return deltas;
}

std::vector<std::pair<std::string, at::Tensor>> KeNetwork::parameters() const {
  std::vector<std::pair<std::string, at::Tensor>> all;
  const char* const kParts[] = {"input", "recurrent", "input_bias", "recurrent_bias"};
  for (size_t i = 0; i < lstm_.size(); ++i)
    all.emplace_back(fmt::format("lstm.{}.{}", i < 4 ? "forward" : "backward", kParts[i % 4]),
                     lstm_[i]);
  all.emplace_back("condition.weight", condition_.weight);
  all.emplace_back("condition.bias", condition_.bias);
  if (picture_.defined()) all.emplace_back("condition.picture", picture_);
  for (size_t i = 0; i < sites_.size(); ++i) {
    const auto& network = networks_[i];
    all.emplace_back(sites_[i].name + ".in.weight", network.in.weight);
    all.emplace_back(sites_[i].name + ".in.bias", network.in.bias);
    all.emplace_back(sites_[i].name + ".out.weight", network.out.weight);
    all.emplace_back(sites_[i].name + ".out.bias", network.out.bias);
  }
  return all;
}

void KeNetwork::load(const std::map<std::string, at::Tensor>& tensors, const std::string& file) {
  at::NoGradGuard no_grad;
  auto left = tensors;
  for (auto& [name, tensor] : parameters()) {
    auto found = left.find(name);
    if (found == left.end())
      throw Error("editing::ke", fmt::format("'{}' is missing the tensor '{}'", file, name),
                  "train the editor again with `emend train`, or fetch an intact copy");
    if (found->second.sizes() != tensor.sizes())
      throw Error("editing::ke",
                  fmt::format("'{}' has a tensor '{}' whose shape does not match the edited layers",
                              file, name),
                  "train the editor again with `emend train`, or fetch an intact copy");
    tensor.copy_(found->second);
    left.erase(found);
  }
  if (!left.empty())
    throw Error("editing::ke",
                fmt::format("'{}' has an unexpected tensor '{}'", file, left.begin()->first),
                "train the editor again with `emend train`, or fetch an intact copy");
}

}  // namespace emend
