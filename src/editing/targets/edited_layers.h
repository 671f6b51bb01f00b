#pragma once

#include <functional>
#include <string>
#include <vector>

#include "editing/settings/settings.h"
#include "models/core/model.h"

namespace emend {

// The settings of an editor that changes feed-forward output layers: module, layers and sites.
struct EditedLayers {
  std::string module = "language";
  std::string layers = "default";
  std::string sites;

  // `modules`: those that the editor can change. `traces`: whether it accepts layers=traced.
  void declare(SettingList& list, const std::vector<std::string>& modules, bool traces = false);
  // Whether the trace of an edit selects the layers.
  bool traced() const { return sites.empty() && layers == "traced"; }
  // The layers in model order. defaults(count): the block numbers that layers=default selects, of
  // `count` blocks. Throws emend::Error if a layer is out of range, or if there are none.
  std::vector<Site> find(const Model& model,
                         const std::function<std::vector<size_t>(size_t count)>& defaults) const;
};

}  // namespace emend
