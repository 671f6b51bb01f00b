#pragma once

#include <map>
#include <string>
#include <vector>

#include "editing/training/gradient_factors.h"

namespace emend {

// MEND's networks (Mitchell et al., arXiv 2110.11309): they turn an edit's gradient, taken apart
// into its tokens' factors u and v, into a better one. Layers of one weight shape share a network:
//   z = [(u - mean) / deviation; (v - mean) / deviation]
//   z <- z + max((U V z + b) * scale_site + shift_site, 0)   twice, U (D, rank), V (rank, D)
//   z = [u'; v'],  delta W = rate_site * sum over tokens of v' u'^T
// The maximum is clamp_min's, whose gradient passes at exactly 0: that is where training starts.
class MendNetwork {
 public:
  struct Options {
    int64_t rounds = 1;   // each has scales, shifts and rates of its own
    int64_t rank = 1920;  // at most D = in + out
    double rate = 1e-4;   // of every site at first
    double init = 1;      // deviation of V at first; U begins at 0
    uint64_t seed = 0;
    at::Device device = at::kCPU;
  };
  MendNetwork(const std::vector<Site>& sites, const Options& options);

  const std::vector<Site>& sites() const { return sites_; }
  // Gathers means and deviations of the factors' tokens (training only).
  void observe(const std::vector<Factors>& factors);
  int64_t rounds() const { return rounds_; }
  // Deltas of edits, one for each row of the factors; sites without factors are left out. Tokens
  // whose u or v is all zero add nothing.
  std::vector<EditDeltas> deltas(const std::vector<Factors>& factors, int64_t round = 0) const;

  // What is trained, in a fixed order, and which of these are rates.
  std::vector<std::pair<std::string, at::Tensor>> trained() const;
  static bool is_rate(const std::string& name) { return name == "rates"; }
  // Everything: what is trained and what was gathered.
  std::map<std::string, at::Tensor> tensors() const;
  // Throws emend::Error, naming `file`, when one is missing, left over or misshapen.
  void load(const std::map<std::string, at::Tensor>& tensors, const std::string& file);
  // Another network's tensors as this one can begin from them. Of more rounds the first are taken;
  // rounds behind the last start as the last at half its rates. Where this network has a higher
  // rank, the added rank starts as a fresh network's and changes nothing at first.
  std::map<std::string, at::Tensor> grown(std::map<std::string, at::Tensor> tensors) const;

 private:
  struct Layer {
    at::Tensor u, v, bias;    // (D, rank), (rank, D), (D)
    at::Tensor scale, shift;  // (rounds * sites of the shape, D)
  };
  struct Shape {
    int64_t in, out;
    std::vector<size_t> sites;
    Layer layers[2];
    at::Tensor count;        // () tokens seen
    at::Tensor mean, moved;  // (D): mean, and sum of squared distances from it (Welford)
  };
  static std::string prefix_of(const Shape& shape);

  std::vector<Site> sites_;
  std::vector<Shape> shapes_;
  int64_t rounds_;
  at::Tensor rates_;  // (rounds * sites)
};

}  // namespace emend
