#pragma once

#include <string>
#include <vector>

#include "editing/settings/settings.h"
#include "models/core/model.h"

namespace emend {

// The layers that hyper-networks (MEND, KE) change.
struct BlockSites {
  std::string module = "language";  // language; vision: the bridge (Q-Former); tower: what sees
  std::string sites;                // a glob instead of the module's
  int64_t depth = 0;                // how many last blocks; 0: language 3, vision 2, tower 3

  void declare(SettingList& list);
  // By their order alone, whatever the architecture: a block ends with its feed-forward layers.
  // language and tower: the last two layers of each of the last blocks; vision: the last one, or
  // all of a projector. Throws emend::Error when there is none.
  std::vector<Site> find(const Model& model) const;

  // The setting `module` on its own, for editors that read the rest from their checkpoint.
  static void declare_module(SettingList& list, std::string& module);
  static Module module_of(const std::string& name);
};

}  // namespace emend
