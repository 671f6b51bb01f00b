#include "editing/editors/hyper/mend_network.h"

#include <ATen/CPUGeneratorImpl.h>
#include <fmt/format.h>

#include <algorithm>

#include "io/error.h"

namespace emend {
namespace {

// Scales, shifts and learning rates have one row for each round and site.
bool has_rounds(const std::string& name) {
  return MendNetwork::is_rate(name) || name.ends_with(".scale") || name.ends_with(".shift");
}

// The tokens of a site with nonzero factors, as rows of z = [u; v].
struct Tokens {
  at::Tensor z;      // (K, in + out)
  at::Tensor where;  // (K) index into the flattened (R * T)
};

Tokens tokens_of(const GradientFactors& factors) {
  auto u = factors.input.flatten(0, 1), v = factors.gradient.flatten(0, 1);
  auto where = (u != 0).any(-1).logical_and((v != 0).any(-1)).nonzero().squeeze(-1);
  return {at::cat({u.index_select(0, where), v.index_select(0, where)}, -1), where};
}

}  // namespace

MendNetwork::MendNetwork(const std::vector<Site>& sites, const Options& options)
    : sites_(sites), rounds_(options.rounds) {
  for (size_t i = 0; i < sites.size(); ++i) {
    auto same = [&](const Shape& s) { return s.in == sites[i].in && s.out == sites[i].out; };
    auto found = std::find_if(shapes_.begin(), shapes_.end(), same);
    if (found == shapes_.end()) {
      shapes_.push_back({sites[i].in, sites[i].out, {}, {}, {}, {}, {}});
      found = shapes_.end() - 1;
    }
    found->sites.push_back(i);
  }
  const auto on = at::dtype(at::kFloat).device(options.device);
  auto generator = at::make_generator<at::CPUGeneratorImpl>(options.seed);
  for (auto& shape : shapes_) {
    const int64_t width = shape.in + shape.out, rank = std::min(options.rank, width);
    const auto modes = rounds_ * static_cast<int64_t>(shape.sites.size());
    for (auto& layer : shape.layers) {
      layer.u = at::zeros({width, rank}, on);
      layer.v = at::mul(at::randn({rank, width}, generator), options.init).to(options.device);
      layer.bias = at::zeros({width}, on);
      layer.scale = at::ones({modes, width}, on);
      layer.shift = at::zeros({modes, width}, on);
    }
    shape.count = at::zeros({}, on);
    shape.mean = at::zeros({width}, on);
    shape.moved = at::zeros({width}, on);
  }
  rates_ = at::full({rounds_ * static_cast<int64_t>(sites.size())}, options.rate, on);
  for (auto& [name, tensor] : parameters()) tensor.requires_grad_();
}

void MendNetwork::observe(const std::vector<GradientFactors>& factors, ProcessGroup* group) {
  at::NoGradGuard no_grad;
  for (auto& shape : shapes_) {
    for (auto i : shape.sites) {
      auto z = factors.at(i).input.defined() ? tokens_of(factors[i]).z
                                             : shape.mean.new_zeros({0, shape.mean.size(0)});
      auto number = at::full({1}, static_cast<double>(z.size(0)), at::kDouble);
      auto mean = z.sum(0);
      if (group) group->sum({number, mean});
      const auto added = number.item<double>();
      if (added == 0) continue;
      mean.div_(added);
      auto moved = (z - mean).square().sum(0);
      if (group) group->sum({moved});
      // Chan's parallel update gives the same result as one update per token.
      auto count = shape.count.item<double>() + added;
      auto off = mean - shape.mean;
      shape.moved.add_(moved);
      shape.moved.add_(off.square(), (count - added) * added / count);
      shape.mean.add_(off, added / count);
      shape.count.fill_(count);
    }
  }
}

std::vector<EditDeltas> MendNetwork::deltas(const std::vector<GradientFactors>& factors,
                                            int64_t round) const {
  std::vector<EditDeltas> deltas;
  for (const auto& shape : shapes_) {
    auto count = shape.count.item<double>();
    if (count < 2)
      throw Error("editing::mend", "the network has no statistics of gradients", "train it first");
    auto deviation = (shape.moved / (count - 1)).sqrt() + 1e-7;
    for (size_t mode = 0; mode < shape.sites.size(); ++mode) {
      auto i = shape.sites[mode];
      const auto& own = factors.at(i);
      if (!own.input.defined()) continue;
      auto tokens = tokens_of(own);
      auto z = (tokens.z - shape.mean) / deviation;
      const auto m = round * static_cast<int64_t>(shape.sites.size()) + static_cast<int64_t>(mode);
      for (const auto& layer : shape.layers) {
        auto step = at::linear(at::linear(z, layer.v), layer.u, layer.bias);
        z = z + at::clamp_min(step * layer.scale[m] + layer.shift[m], 0);
      }
      const auto rows = own.input.size(0), length = own.input.size(1);
      auto spread = [&](const at::Tensor& part) {
        return at::zeros({rows * length, part.size(1)}, part.options())
            .index_copy(0, tokens.where, part)
            .view({rows, length, part.size(1)});
      };
      deltas.push_back(
          {sites_[i].name,
           spread(z.narrow(1, shape.in, shape.out)) *
               rates_[round * static_cast<int64_t>(sites_.size()) + static_cast<int64_t>(i)],
           spread(z.narrow(1, 0, shape.in))});
    }
  }
  return deltas;
}

std::string MendNetwork::prefix_of(const Shape& shape) {
  return fmt::format("{}x{}.", shape.out, shape.in);
}

std::vector<std::pair<std::string, at::Tensor>> MendNetwork::parameters() const {
  std::vector<std::pair<std::string, at::Tensor>> all;
  for (const auto& shape : shapes_) {
    for (int i = 0; i < 2; ++i) {
      auto name = fmt::format("{}layer.{}.", prefix_of(shape), i);
      const auto& layer = shape.layers[i];
      all.emplace_back(name + "u", layer.u);
      all.emplace_back(name + "v", layer.v);
      all.emplace_back(name + "bias", layer.bias);
      all.emplace_back(name + "scale", layer.scale);
      all.emplace_back(name + "shift", layer.shift);
    }
  }
  all.emplace_back("rates", rates_);
  return all;
}

std::map<std::string, at::Tensor> MendNetwork::tensors() const {
  std::map<std::string, at::Tensor> all;
  for (const auto& [name, tensor] : parameters()) all[name] = tensor;
  for (const auto& shape : shapes_) {
    all[prefix_of(shape) + "count"] = shape.count;
    all[prefix_of(shape) + "mean"] = shape.mean;
    all[prefix_of(shape) + "moved"] = shape.moved;
  }
  return all;
}

void MendNetwork::load(const std::map<std::string, at::Tensor>& tensors, const std::string& file) {
  at::NoGradGuard no_grad;
  auto own = this->tensors();
  for (const auto& [name, tensor] : tensors)
    if (!own.count(name))
      throw Error("editing::mend", fmt::format("'{}' has an unexpected tensor '{}'", file, name),
                  "train the editor again with `emend train`, or fetch an intact copy");
  for (auto& [name, tensor] : own) {
    auto found = tensors.find(name);
    if (found == tensors.end())
      throw Error("editing::mend", fmt::format("'{}' is missing the tensor '{}'", file, name),
                  "train the editor again with `emend train`, or fetch an intact copy");
    if (found->second.sizes() != tensor.sizes())
      throw Error("editing::mend",
                  fmt::format("'{}' has a tensor '{}' whose shape does not match the edited layers",
                              file, name),
                  "train the editor again with `emend train`, or fetch an intact copy");
    tensor.copy_(found->second);
  }
}

std::map<std::string, at::Tensor> MendNetwork::grown(
    std::map<std::string, at::Tensor> tensors) const {
  at::NoGradGuard no_grad;
  for (const auto& [name, own] : parameters()) {
    auto found = tensors.find(name);
    if (found == tensors.end() || found->second.dim() != own.dim()) continue;
    auto& tensor = found->second;
    if (has_rounds(name)) {
      const auto round = own.size(0) / rounds_;  // number of rows of one round
      if (tensor.size(0) < round || tensor.size(0) % round != 0) continue;
      auto last = tensor.narrow(0, tensor.size(0) - round, round);
      if (is_rate(name)) last = last / 2;
      while (tensor.size(0) < own.size(0)) tensor = at::cat({tensor, last});
      tensor = tensor.narrow(0, 0, own.size(0));
    } else if (own.dim() == 2) {
      const int64_t along = name.ends_with(".u") ? 1 : 0;
      const auto rank = tensor.size(along);
      if (rank < own.size(along) && tensor.size(1 - along) == own.size(1 - along))
        tensor = at::cat({tensor, own.narrow(along, rank, own.size(along) - rank)}, along);
    }
  }
  return tensors;
}

}  // namespace emend
