#pragma once

#include <map>
#include <string>
#include <vector>

#include "editing/training/gradient_factors.h"

namespace emend {

// KE's networks (De Cao, Aziz, Titov, arXiv 2104.08164): an edit's text says how its gradient
// becomes the change of a weight.
//   h = [forward; backward] last states of an LSTM over the text's word vectors
//   c = tanh(W h + w [+ W' picture])
//   q_a, p_a, q_b, p_b, eta = V tanh(U c + u) + v                              of each site
//   delta W = max_scale * sigmoid(eta) * (G o (softmax(p_a) q_a^T) + softmax(p_b) q_b^T)
// with p of the weight's rows (out) and q of its columns (in). G = sum over tokens of v u^T, so
// G o (p q^T) = sum (p o v) (q o u)^T: the change is low-rank, tokens + 1, and G is never formed.
// Where the authors take G as it is, `unit_gradient` scales it to norm `out`: each edit's step is
// then as large as the network says, whatever the model's size, and a softmax of mean 1 / out
// leaves its entries where they were. Training begins at q_a = -1, down the gradient. The authors'
// code also normalises the networks' weights; these are plain.
class KeNetwork {
 public:
  struct Options {
    int64_t words = 0;         // width of word vectors
    int64_t picture = 0;       // width of a picture's vector; 0: pictures are not looked at
    int64_t reader = 128;      // of the LSTM, each direction
    int64_t condition = 1024;  // of c
    int64_t hidden = 128;      // of each site's network
    double max_scale = 1;
    double init = 0.1;  // deviation of V at first, times 1 / sqrt(hidden)
    bool unit_gradient = true;
    uint64_t seed = 0;
    at::Device device = at::kCPU;
  };
  KeNetwork(const std::vector<Site>& sites, const Options& options);

  const std::vector<Site>& sites() const { return sites_; }
  const Options& options() const { return options_; }
  // words: (E, T, words) right-padded; lengths: (E) int64 on the CPU, all above 0; pictures:
  // (E, picture), rows of zeros where an edit has none; undefined without `options.picture`.
  // -> c (E, condition)
  at::Tensor condition(const at::Tensor& words, const at::Tensor& lengths,
                       const at::Tensor& pictures) const;
  // conditions: of each site the rows' (R, condition). A site without factors is left out.
  std::vector<EditDeltas> deltas(const std::vector<Factors>& factors,
                                 const std::vector<at::Tensor>& conditions) const;

  // What is trained, in a fixed order; it is also all there is.
  std::vector<std::pair<std::string, at::Tensor>> trained() const;
  // Throws emend::Error, naming `file`, when one is missing, left over or misshapen.
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
  std::vector<at::Tensor> lstm_;  // of each direction: input, recurrent, their two biases
  Affine condition_;
  at::Tensor picture_;  // W' (condition, picture)
  std::vector<SiteNetwork> networks_;
};

}  // namespace emend
