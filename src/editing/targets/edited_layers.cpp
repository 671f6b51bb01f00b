#include "editing/targets/edited_layers.h"

#include "editing/targets/block_numbers.h"
#include "editing/targets/ffn_outputs.h"
#include "editing/targets/target_modules.h"

namespace emend {

void EditedLayers::declare(SettingList& list, const std::vector<std::string>& modules,
                           bool traces) {
  list.choice("module", module, modules,
              "module to edit: the feed-forward output layers of its blocks, or the last layer of "
              "a projector",
              module_aliases());
  list.numbers("layers", layers,
               traces ? "block numbers of the module, for example 5 or 3-5; default: the editor's "
                        "choice; traced: the same number of blocks, those with the largest effect "
                        "in the trace of the edit"
                      : "block numbers of the module, for example 5 or 3-5; default: the editor's "
                        "choice");
  list.text("sites", sites, "glob of the layers to edit, instead of the layers of a module");
}

std::vector<Site> EditedLayers::find(
    const Model& model, const std::function<std::vector<size_t>(size_t count)>& defaults) const {
  if (!sites.empty()) return model.find_sites(sites);
  const auto all = ffn_outputs(model, module);
  std::vector<Site> found;
  for (const auto layer :
       layers == "default" ? defaults(all.size()) : block_numbers(layers, all.size(), module))
    found.push_back(all.at(layer));
  return found;
}

}  // namespace emend
