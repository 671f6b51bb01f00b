#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "editing/patches/patch.h"
#include "editing/settings/settings.h"

namespace emend {

// Settings of editors whose changes of weights follow each other; both are off by default.
struct SequenceSettings {
  double sphere = 0;
  double sphere_ratio = 0.5;
  double simie = 0;

  void declare(SettingList& list);
  bool active() const { return sphere > 0 || simie > 0; }
};

// The leading directions of a weight (out, in), whose rows are scaled to unit length first: U
// (in, r) float64, orthonormal, the eigenvectors of W^T W with the largest eigenvalues up to the
// cumulative share `ratio`, and one more [SPHERE, arXiv 2510.01172].
at::Tensor leading_directions(const at::Tensor& weight, double ratio);

// change * (I - strength * U U^T) [SPHERE, arXiv 2510.01172].
WeightDelta without_directions(const WeightDelta& change, const at::Tensor& directions,
                               double strength);

// change * K K^T (ridge * I + H H^T + K K^T)^-1 as a low-rank change of rank n, with the keys K
// (in, n) of the edit and H (in, h) of earlier edits (undefined: none), float64 [SimIE,
// openreview VdEG08ZJCH].
WeightDelta within_keys(const WeightDelta& change, const at::Tensor& keys,
                        const at::Tensor& history, double ridge);

// The keys of earlier edits at a site: (in, h) float64, undefined if there are none.
at::Tensor keys_at(const std::vector<SiteKeys>& history, const std::string& site);

// Adapts the changes of an editor to a sequence of edits. Directions of weights are computed once
// for each model and site.
class SequenceChanges {
 public:
  // First SimIE, then SPHERE, as far as they are set. keys: (in, n), the inputs of the site for
  // which the edit changes its output; history: see keys_at.
  WeightDelta adapt(const SequenceSettings& settings, const Vlm& vlm, const Site& site,
                    const WeightDelta& change, const at::Tensor& keys,
                    const at::Tensor& history) const;

 private:
  at::Tensor directions(const Vlm& vlm, const Site& site, double ratio) const;

  mutable std::mutex mutex_;
  mutable std::map<std::string, at::Tensor> directions_;  // by fingerprint and site
};

}  // namespace emend
