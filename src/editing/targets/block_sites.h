#pragma once

#include <string>
#include <vector>

#include "editing/settings/settings.h"
#include "models/core/model.h"

namespace emend {

// The layers that hyper-networks (MEND, KE) change.
struct BlockSites {
  std::string module = "language";  // language, connector or vision_tower
  std::string sites;                // glob of the layers to edit, instead of the module's
  int64_t depth = 0;  // number of last blocks; 0: language 3, connector 2, vision_tower 3

  void declare(SettingList& list);
  // Layers are found by their order, for every architecture: a block ends with its feed-forward
  // layers. language and vision_tower: the last two layers of each of the last blocks; connector:
  // the last one, or all layers of a projector. Throws emend::Error when there is none.
  std::vector<Site> find(const Model& model) const;

  // Only the setting `module`, for editors that read the others from their checkpoint.
  static void declare_module(SettingList& list, std::string& module);
};

}  // namespace emend
