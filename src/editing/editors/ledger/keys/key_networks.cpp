#include "editing/editors/ledger/keys/key_networks.h"

#include <fmt/format.h>

#include <cctype>
#include <cmath>

namespace emend {
namespace {

constexpr uint64_t kSeeds = 1000003;  // between the seeds of two networks

std::string prefix_of(size_t index) {
  return index == 0 ? std::string("key.") : fmt::format("key.{}.", index + 1);
}

}  // namespace

KeyNetworks::KeyNetworks(const KeyNetwork::Options& options, int64_t count)
    : embedding_(options.embedding) {
  auto own = options;
  for (int64_t i = 0; i < count; ++i, own.seed += kSeeds) networks_.emplace_back(own);
}

int64_t KeyNetworks::width() const {
  return networks_.front().width() * static_cast<int64_t>(networks_.size());
}

at::Tensor KeyNetworks::joined(const std::vector<at::Tensor>& keys) const {
  if (keys.size() == 1) return keys.front();
  std::vector<at::Tensor> parts;
  for (const auto& key : keys) parts.push_back(key.slice(1, 0, embedding_));
  for (const auto& key : keys) parts.push_back(key.slice(1, embedding_));
  return at::cat(parts, 1) / std::sqrt(static_cast<double>(keys.size()));
}

at::Tensor KeyNetworks::keys(const QuestionFeatures& features, Key kind) const {
  std::vector<at::Tensor> all;
  for (const auto& network : networks_) all.push_back(network.keys(features, kind));
  return joined(all);
}

at::Tensor KeyNetworks::pair_keys(const at::Tensor& text, const at::Tensor& pictures,
                                  const std::vector<int64_t>& which_text,
                                  const std::vector<int64_t>& which_picture, Key kind) const {
  std::vector<at::Tensor> all;
  for (const auto& network : networks_)
    all.push_back(network.pair_keys(text, pictures, which_text, which_picture, kind));
  return joined(all);
}

at::Tensor KeyNetworks::texts(const at::Tensor& text) const {
  std::vector<at::Tensor> all;
  for (const auto& network : networks_) all.push_back(network.texts(text));
  return joined(all);
}

NamedTensors KeyNetworks::parameters() const {
  NamedTensors all;
  for (size_t i = 0; i < networks_.size(); ++i)
    for (auto& [name, tensor] : networks_[i].parameters())
      all.emplace_back(prefix_of(i) + name.substr(prefix_of(0).size()), tensor);
  return all;
}

std::map<std::string, at::Tensor> tensors_of_network(
    const std::map<std::string, at::Tensor>& tensors, size_t index) {
  const auto prefix = prefix_of(index);
  std::map<std::string, at::Tensor> own;
  for (const auto& [name, tensor] : tensors) {
    if (!name.starts_with(prefix)) continue;
    const auto rest = name.substr(prefix.size());
    // `key.2.NAME` is not a tensor of the first network.
    if (!rest.empty() && !std::isdigit(static_cast<unsigned char>(rest.front())))
      own["key." + rest] = tensor;
  }
  return own;
}

}  // namespace emend
