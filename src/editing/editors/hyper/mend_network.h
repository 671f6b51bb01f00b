#pragma once

#include <map>
#include <string>
#include <vector>

#include "editing/training/gradient_factors.h"
#include "io/processes/process_group.h"

namespace emend {

// The networks of MEND (Mitchell et al., arXiv 2110.11309) transform the gradient of an edit, given
// as factors u and v of its tokens. Layers with the same weight shape share a network:
//   z = [(u - mean) / deviation; (v - mean) / deviation]
//   z <- z + max((U V z + b) * scale_site + shift_site, 0)   twice, U (D, rank), V (rank, D)
//   z = [u'; v'],  delta W = rate_site * sum over tokens of v' u'^T
// The maximum is clamp_min, which passes gradients at exactly 0, where training starts.
class MendNetwork {
 public:
  struct Options {
    int64_t rounds = 1;   // each round has its own scales, shifts and rates
    int64_t rank = 1920;  // limited to D = in + out
    double rate = 1e-4;   // initial rate of every site
    double init = 1;      // initial standard deviation of V; U starts at 0
    uint64_t seed = 0;
    at::Device device = at::kCPU;
  };
  MendNetwork(const std::vector<Site>& sites, const Options& options);

  const std::vector<Site>& sites() const { return sites_; }
  // Updates means and deviations with the tokens of the factors (training only), and with those of the
  // other processes of the group, which call this, too.
  void observe(const std::vector<GradientFactors>& factors, ProcessGroup* group = nullptr);
  int64_t rounds() const { return rounds_; }
  // Returns the deltas of edits, one for each row of the factors. Sites without factors are
  // omitted. Tokens whose u or v is all zero are skipped.
  std::vector<EditDeltas> deltas(const std::vector<GradientFactors>& factors,
                                 int64_t round = 0) const;

  // The trainable tensors in a fixed order, and which of them are learning rates.
  std::vector<std::pair<std::string, at::Tensor>> parameters() const;
  static bool is_rate(const std::string& name) { return name == "rates"; }
  // All tensors: the trainable ones, means and deviations.
  std::map<std::string, at::Tensor> tensors() const;
  // Throws emend::Error, which names `file`, if a tensor is missing, unexpected or has the wrong
  // shape.
  void load(const std::map<std::string, at::Tensor>& tensors, const std::string& file);
  // Converts the tensors of another network to initial values of this one. If the other network has
  // more rounds, the first ones are used. If it has fewer, further rounds start as copies of the
  // last one with half its rates. If this network has a higher rank, the additional rank is
  // initialized as in a new network and changes nothing at first.
  std::map<std::string, at::Tensor> grown(std::map<std::string, at::Tensor> tensors) const;

 private:
  struct Layer {
    at::Tensor u, v, bias;    // (D, rank), (rank, D), (D)
    at::Tensor scale, shift;  // (rounds * sites of this shape, D)
  };
  struct Shape {
    int64_t in, out;
    std::vector<size_t> sites;
    Layer layers[2];
    at::Tensor count;        // () number of tokens
    at::Tensor mean, moved;  // (D): mean, and sum of squared deviations (Welford)
  };
  static std::string prefix_of(const Shape& shape);

  std::vector<Site> sites_;
  std::vector<Shape> shapes_;
  int64_t rounds_;
  at::Tensor rates_;  // (rounds * sites)
};

}  // namespace emend
