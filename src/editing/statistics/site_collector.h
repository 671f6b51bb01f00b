#pragma once

#include <map>
#include <string>

#include "editing/statistics/accumulator.h"
#include "editing/statistics/moments_file.h"
#include "editing/statistics/position_kinds.h"
#include "models/core/intervention.h"

namespace emend {

// Collects the moments of the inputs of one site while a model runs.
class SiteCollector {
 public:
  SiteCollector(const Model& model, const Site& site);

  // An intervention that observes the site. `kinds` must outlive the run.
  Intervention observer(const PositionKinds& kinds);
  // Replaces the sums of all processes, each of which calls this, by their total.
  void sum_over(ProcessGroup& group);
  PackedMoments moments();  // ends the collection

  void save(std::map<std::string, at::Tensor>& tensors) const;
  void load(const std::map<std::string, at::Tensor>& tensors);

  // The bytes of the sums and blocks of a site.
  static uint64_t bytes(const Model& model, const Site& site);

 private:
  Site site_;
  bool language_;  // other modules have image positions only
  MomentAccumulator text_, image_;
  int64_t first_count_ = 0;
  at::Tensor first_sum_;  // (d) float64
};

}  // namespace emend
