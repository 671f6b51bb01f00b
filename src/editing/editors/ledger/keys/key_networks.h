#pragma once

#include <vector>

#include "editing/editors/ledger/keys/key_network.h"

namespace emend {

// Key networks with different initial weights, trained on the same steps. The squared distance of
// two keys is the mean of those of the networks: k = [t_1; ...; t_n; p_1; ...; p_n] / sqrt(n). The
// errors of the networks differ, so that the mean has fewer. One network gives the bits of
// KeyNetwork.
class KeyNetworks {
 public:
  using Key = KeyNetwork::Key;
  // options.seed is the random seed of the first network.
  KeyNetworks(const KeyNetwork::Options& options, int64_t count);

  at::Device device() const { return networks_.front().device(); }
  int64_t width() const;
  // See KeyNetwork.
  at::Tensor keys(const QuestionFeatures& features, Key kind = Key::question) const;
  at::Tensor pair_keys(const at::Tensor& text, const at::Tensor& pictures,
                       const std::vector<int64_t>& which_text,
                       const std::vector<int64_t>& which_picture, Key kind = Key::question) const;
  at::Tensor texts(const at::Tensor& text) const;

  const std::vector<KeyNetwork>& networks() const { return networks_; }
  // The trainable tensors in a fixed order: `key.NAME` of the first network, `key.2.NAME` of the
  // second, and so on.
  NamedTensors parameters() const;

 private:
  // The key of keys by the networks, (B, width of one) each.
  at::Tensor joined(const std::vector<at::Tensor>& keys) const;

  int64_t embedding_;
  std::vector<KeyNetwork> networks_;
};

// The tensors of network `index` among those of KeyNetworks, with the names of KeyNetwork; none if
// there is no such network.
std::map<std::string, at::Tensor> tensors_of_network(
    const std::map<std::string, at::Tensor>& tensors, size_t index);

}  // namespace emend
