#pragma once

#include <map>
#include <string>
#include <vector>

#include "editing/editors/serac/features.h"

namespace emend {

// SERAC's scope classifier (Mitchell et al., arXiv 2206.06520): a small network f on frozen
// features; a question is the nearer to an edit the higher
//   s = exp(-||f(edit) - f(question)||^2).
// f = [t(norm(text)); looks * p(P norm(picture))]: two networks W2 gelu(W1 gelu(W0 x + b0) + b1) +
// b2, so that a question has to be near in its words and in its picture. norm gives each state mean
// 0 and variance 1; P is shared by a picture's places, which stay side by side.
class ScopeClassifier {
 public:
  struct Options {
    int64_t text = 0, states = 2;     // W and S
    int64_t places = 0, picture = 0;  // Q and D; 0: no pictures are seen
    int64_t narrow = 16;              // numbers that P leaves of a place
    int64_t hidden = 128;
    int64_t embedding = 32;  // what each of the two gives
    uint64_t seed = 0;
    at::Device device = at::kCPU;
  };
  explicit ScopeClassifier(const Options& options);

  at::Tensor embed(const QuestionFeatures& features) const;  // (B, width)
  int64_t width() const { return options_.embedding * (options_.places > 0 ? 2 : 1); }

  // What is trained, in a fixed order: leaves.
  std::vector<std::pair<std::string, at::Tensor>> trained() const;

 private:
  struct Network {
    at::Tensor weights[3], biases[3];
    at::Tensor operator()(at::Tensor x) const;
  };
  Options options_;
  at::Tensor place_;  // (narrow, D)
  Network text_, picture_;
};

// ||a - b||^2 of each pair: (A, E), (B, E) -> (A, B).
at::Tensor squared_distances(const at::Tensor& a, const at::Tensor& b);
// -log s and -log(1 - s), s = exp(-d); the latter stays finite where d is 0.
inline at::Tensor in_scope_loss(const at::Tensor& d) { return d; }
at::Tensor out_of_scope_loss(const at::Tensor& d);
// log((1 - s) p_base + s p_counterfactual), s = exp(-d). logits: (K, V), d: (K).
at::Tensor mixed_softly(const at::Tensor& base, const at::Tensor& counterfactual,
                        const at::Tensor& d);

}  // namespace emend
