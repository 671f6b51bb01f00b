#pragma once

#include <string>
#include <vector>

#include "editing/editor.h"
#include "editing/editors/lifelong/codebook.h"
#include "editing/settings/settings.h"
#include "editing/targets/edited_layers.h"
#include "editing/training/forced.h"

namespace emend {

// Settings of GRACE, whose meanings `declare` has.
struct GraceSettings {
  EditedLayers where;
  CodebookSettings codebook;
  int64_t steps = 100;
  double lr = 0;  // 0: in proportion to the layer's output
  double stop_loss = 0.05;
  std::string init = "warm";
  bool end_of_answer = true;
  int64_t seed = 0;

  void declare(SettingList& list);
};

// The key and the value of an edit at a layer; see Codebook.
struct CodebookValue {
  at::Tensor key;              // (n, in) float32
  at::Tensor value;            // (n, p, out) float32; undefined for 0 steps
  std::vector<double> losses;  // nats a token: without the value, before each step, and at the end
  std::string stop_reason;     // stop_loss, step_limit

  int64_t steps() const;
};

// Optimizes the value of an edit by Adam, so that the model gives the answer if the output of
// `site` has this value [GRACE, arXiv 2211.11031]. `forced` has one row. Earlier codebooks at this
// layer, which context.base may have, change nothing. Throws emend::Error if the answer does not
// depend on the layer, or if the loss is not finite.
CodebookValue optimize_codebook_value(const Vlm& vlm, const ForcedBatch& forced, const Site& site,
                                      const GraceSettings& settings, const EditContext& context);

}  // namespace emend
