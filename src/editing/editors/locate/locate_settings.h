#pragma once

#include <string>
#include <vector>

#include "editing/settings/settings.h"
#include "models/core/model.h"

namespace emend {

// Settings that ROME, MEMIT and AlphaEdit share.
struct LocateSettings {
  std::string module = "language";
  std::string layers = "default";
  std::string sites;
  std::string lookup = "auto";
  // The optimization of the value [ROME, arXiv 2202.05262, eq. 4].
  int64_t steps = 25;
  double lr = 0;  // 0: in proportion to the site's output
  double stop_loss = 0.05;
  double weight_decay = 0.5;
  double kl_factor = 0.0625;
  double clamp_norm_factor = 4;
  double offset_scale = 1;
  bool end_of_answer = true;
  // Context templates.
  int64_t prefixes = 5;
  int64_t prefix_length = 10;
  int64_t altered_pictures = 4;
  // Second-moment statistics of the keys.
  std::string statistics;
  double text_weight = 0.5;
  double ridge = 1e-4;
  int64_t seed = 0;

  void declare(SettingList& list);
};

// The layers of a closed-form edit: the output projections of the feed-forward networks of a
// module's blocks (fc2, down_proj, output_query.dense), or the last layer of a projector. In model
// order. Throws emend::Error if the module has none.
std::vector<Site> ffn_output_sites(const Model& model, const std::string& module);

// The sites that `settings` selects; `defaults` are block indices for layers=default. Throws
// emend::Error if a layer is out of range or is listed twice.
std::vector<Site> located_sites(const Model& model, const LocateSettings& settings,
                                const std::vector<size_t>& defaults);

}  // namespace emend
