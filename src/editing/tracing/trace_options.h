#pragma once

#include <string>
#include <vector>

#include "editing/settings/settings.h"
#include "models/core/model.h"

namespace emend {

// The settings of a causal trace: what is corrupted, and which states are restored. The defaults
// follow arXiv 2202.05262, with windows for shallow models and corruptions of pictures.
struct TraceOptions {
  std::string text = "auto";
  std::string image = "auto";
  double text_factor = 3;
  double image_factor = 3;
  int64_t rows = 10;
  std::string components = "residual,attention,mlp";
  std::string modules = "language,connector,vision_tower";
  std::string windows = "1,10%";
  std::string layers = "all";
  int64_t grid = 0;
  bool query_tokens = false;
  double tolerance = 0.02;
  int64_t max_new_tokens = 32;
  int64_t batch_positions = 8192;
  int64_t seed = 1;

  void declare(SettingList& list);

  // The settings that are lists. Each function throws emend::Error if a list is invalid.
  std::vector<std::string> component_list() const;  // residual, attention, mlp
  std::vector<Module> module_list() const;          // in the order of the model
  // The numbers of blocks that are restored together in a module with `depth` blocks, ascending.
  std::vector<int64_t> window_list(int64_t depth) const;
  // The traced blocks of a module with `depth` blocks; see `layers`.
  std::vector<int64_t> layer_list(int64_t depth, const std::string& module) const;
};

// language, connector or vision_tower.
const char* module_name(Module module);

}  // namespace emend
