#pragma once

#include <map>
#include <string>
#include <vector>

#include "editing/training/gradient_factors.h"

namespace emend {

// The networks of KE (De Cao, Aziz, Titov, arXiv 2104.08164) turn the gradient of an edit into a
// weight change, depending on the text of the edit.
//   h = [forward; backward] last states of an LSTM over the word vectors of the text
//   c = tanh(W h + w [+ W' picture])
//   q_a, p_a, q_b, p_b, eta = V tanh(U c + u) + v                              for each site
//   delta W = max_scale * sigmoid(eta) * (G o (softmax(p_a) q_a^T) + softmax(p_b) q_b^T)
// Here p has an entry for each row of the weight (out) and q for each column (in). G is the sum
// over tokens of v u^T, so G o (p q^T) = sum (p o v) (q o u)^T: the rank of the change is the
// number of tokens + 1, and G is never formed. The authors use G unscaled. `unit_gradient` scales
// it to norm `out`: the step size of an edit is then independent of the model's scale, and a
// softmax with mean 1 / out leaves the entries of G unscaled. Training starts with q_a = -1, which
// is gradient descent. The weight normalization of the authors' code is not implemented.
class KeNetwork {
 public:
  struct Options {
    int64_t words = 0;               // size of the word vectors
    int64_t picture = 0;             // size of the picture vector; 0: no pictures
    int64_t lstm_width = 128;        // hidden size of the LSTM, for each direction
    int64_t condition_width = 1024;  // size of c
    int64_t hidden_width = 128;      // hidden size of the network of each site
    double max_scale = 1;
    double init = 0.1;  // V starts with standard deviation init / sqrt(hidden)
    bool unit_gradient = true;
    uint64_t seed = 0;
    at::Device device = at::kCPU;
  };
  KeNetwork(const std::vector<Site>& sites, const Options& options);

  const std::vector<Site>& sites() const { return sites_; }
  const Options& options() const { return options_; }
  // words: (E, T, words) right-padded; lengths: (E) int64 on the CPU, all above 0; pictures: (E,
  // picture), with zeros for edits without a picture; undefined if `options.picture` is 0.
  // -> c (E, condition)
  at::Tensor condition(const at::Tensor& words, const at::Tensor& lengths,
                       const at::Tensor& pictures) const;
  // conditions: for each site, (R, condition) for its rows. Sites without factors are omitted.
  std::vector<EditDeltas> deltas(const std::vector<GradientFactors>& factors,
                                 const std::vector<at::Tensor>& conditions) const;

  // All trainable tensors, in a fixed order. The network has no other tensors.
  std::vector<std::pair<std::string, at::Tensor>> parameters() const;
  // Throws emend::Error, which names `file`, if a tensor is missing, unexpected or has the wrong
  // shape.
  void load(const std::map<std::string, at::Tensor>& tensors, const std::string& file);

 private:
  struct Affine {
    at::Tensor weight, bias;
  };
  struct SiteNetwork {
    Affine in, out;
  };

  std::vector<Site> sites_;
  Options options_;
  // For each direction: input weights, recurrent weights, and the two biases.
  std::vector<at::Tensor> lstm_;
  Affine condition_;
  at::Tensor picture_;  // W' (condition, picture)
  std::vector<SiteNetwork> networks_;
};

}  // namespace emend
