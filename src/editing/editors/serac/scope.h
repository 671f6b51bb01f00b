#pragma once

#include <map>
#include <string>
#include <vector>

#include "editing/editors/memory/question_features.h"

namespace emend {

// The scope classifier of SERAC (Mitchell et al., arXiv 2206.06520) is a small network f on frozen
// features. The similarity of a question to an edit is
//   s = exp(-||f(edit) - f(question)||^2).
// f = [t(norm(text)); has_image * p(P norm(picture))] has two networks, t and p, of the form
//   W2 gelu(W1 gelu(W0 x + b0) + b1) + b2,
// so that a similar question is close in both text and picture. norm gives each feature vector mean
// 0 and variance 1. P is applied to each image-patch feature, and its outputs are concatenated.
class ScopeClassifier {
 public:
  struct Options {
    int64_t text = 0, states = 2;      // W and S
    int64_t places = 0, picture = 0;   // Q and D; 0: pictures are not used
    int64_t patch_feature_width = 16;  // size each image-patch feature is projected to by P
    int64_t hidden = 128;
    int64_t embedding = 32;  // output size of each of the two networks
    uint64_t seed = 0;
    at::Device device = at::kCPU;
  };
  explicit ScopeClassifier(const Options& options);

  at::Tensor embed(const QuestionFeatures& features) const;  // (B, width)
  int64_t width() const { return options_.embedding * (options_.places > 0 ? 2 : 1); }

  // The trainable tensors in a fixed order.
  std::vector<std::pair<std::string, at::Tensor>> parameters() const;

 private:
  struct Network {
    at::Tensor weights[3], biases[3];
    at::Tensor operator()(at::Tensor x) const;
  };
  Options options_;
  at::Tensor place_;  // (patch_feature_width, D)
  Network text_, picture_;
};

// Returns ||a - b||^2 of each pair: (A, E), (B, E) -> (A, B).
at::Tensor squared_distances(const at::Tensor& a, const at::Tensor& b);
// -log s and -log(1 - s) for s = exp(-d). The latter is finite for d = 0.
inline at::Tensor in_scope_loss(const at::Tensor& d) { return d; }
at::Tensor out_of_scope_loss(const at::Tensor& d);
// log((1 - s) p_base + s p_counterfactual), s = exp(-d). logits: (K, V), d: (K).
at::Tensor soft_mixture(const at::Tensor& base, const at::Tensor& counterfactual,
                        const at::Tensor& d);

}  // namespace emend
