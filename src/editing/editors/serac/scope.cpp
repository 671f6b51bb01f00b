#include "editing/editors/serac/scope.h"

#include <ATen/CPUGeneratorImpl.h>

#include <cmath>

namespace emend {
namespace {

at::Tensor normalized(const at::Tensor& states) {
  return at::layer_norm(states, {states.size(-1)});
}

}  // namespace

ScopeClassifier::ScopeClassifier(const Options& options) : options_(options) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(options.seed);
  auto matrix = [&](int64_t out, int64_t in) {
    auto drawn = at::mul(at::randn({out, in}, generator), 1 / std::sqrt(static_cast<double>(in)));
    return drawn.to(options.device);
  };
  auto network = [&](int64_t in) {
    Network made;
    const int64_t widths[] = {in, options.hidden, options.hidden, options.embedding};
    for (int i = 0; i < 3; ++i) {
      made.weights[i] = matrix(widths[i + 1], widths[i]);
      made.biases[i] = at::zeros({widths[i + 1]}, at::device(options.device).dtype(at::kFloat));
    }
    return made;
  };
  text_ = network(options.states * options.text);
  if (options.places > 0) {
    place_ = matrix(options.patch_feature_width, options.picture);
    picture_ = network(options.places * options.patch_feature_width);
  }
  for (auto& [name, tensor] : parameters()) tensor.requires_grad_();
}

at::Tensor ScopeClassifier::Network::operator()(at::Tensor x) const {
  for (int i = 0; i < 3; ++i) {
    x = at::linear(x, weights[i], biases[i]);
    if (i < 2) x = at::gelu(x);
  }
  return x;
}

at::Tensor ScopeClassifier::embed(const QuestionFeatures& features) const {
  auto text = text_(normalized(features.text).flatten(1));
  if (options_.places == 0) return text;
  auto picture = at::zeros_like(text);
  if (features.pictures.defined())
    picture = picture_(at::linear(normalized(features.pictures), place_).flatten(1)) *
              features.has_image.unsqueeze(-1);
  return at::cat({text, picture}, 1);
}

std::vector<std::pair<std::string, at::Tensor>> ScopeClassifier::parameters() const {
  std::vector<std::pair<std::string, at::Tensor>> all;
  auto add = [&](const std::string& part, const Network& network) {
    for (int i = 0; i < 3; ++i) {
      const auto layer = "scope." + part + "." + std::to_string(i);
      all.emplace_back(layer + ".weight", network.weights[i]);
      all.emplace_back(layer + ".bias", network.biases[i]);
    }
  };
  add("text", text_);
  if (options_.places > 0) {
    all.emplace_back("scope.place.weight", place_);
    add("picture", picture_);
  }
  return all;
}

at::Tensor squared_distances(const at::Tensor& a, const at::Tensor& b) {
  return (a.unsqueeze(1) - b.unsqueeze(0)).square().sum(-1);
}

at::Tensor out_of_scope_loss(const at::Tensor& d) {
  constexpr double kNearest = 1e-4;  // avoids infinite gradients
  return at::neg(at::log(at::neg(at::expm1(at::neg(d + kNearest)))));
}

at::Tensor soft_mixture(const at::Tensor& base, const at::Tensor& counterfactual,
                        const at::Tensor& d) {
  auto near = at::neg(d).unsqueeze(-1);          // log s
  auto far = at::log(at::neg(at::expm1(near)));  // log(1 - s), -inf where d is 0
  return at::logaddexp(far + at::log_softmax(base, -1, at::kFloat),
                       near + at::log_softmax(counterfactual, -1, at::kFloat));
}

}  // namespace emend
