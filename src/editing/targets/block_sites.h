#pragma once

#include <string>
#include <vector>

#include "editing/settings/settings.h"
#include "models/core/model.h"

namespace emend {

// The layers that hyper-networks (MEND, KE) change.
struct BlockSites {
  std::string module = "language";  // language, connector or vision_tower
  std::string sites;                // glob of the layers to edit, instead of those of the module
  int64_t depth = 0;  // number of last blocks; 0: language 3, connector 2, vision_tower 3

  void declare(SettingList& list);
  // Finds the layers by their order, for every architecture: a block ends with its feed-forward
  // layers. language and vision_tower: the last two layers of each of the last blocks; connector:
  // the last layer of each of the last blocks, or all layers of a projector. Throws emend::Error if
  // there is none.
  std::vector<Site> find(const Model& model) const;

  // Declares only the setting `module`, for editors that read the other settings from their
  // checkpoint.
  static void declare_module(SettingList& list, std::string& module);
};

}  // namespace emend
