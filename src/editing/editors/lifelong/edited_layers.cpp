#include "editing/editors/lifelong/edited_layers.h"

#include "editing/editors/locate/locate_settings.h"
#include "editing/targets/ffn_outputs.h"
#include "editing/targets/target_modules.h"

namespace emend {

void EditedLayers::declare(SettingList& list, const std::vector<std::string>& modules) {
  list.choice("module", module, modules,
              "module to edit: the feed-forward output layers of its blocks, or the last layer of "
              "a projector",
              module_aliases());
  list.numbers("layers", layers,
               "block numbers of the module, for example 5 or 3-5; default: the editor's choice");
  list.text("sites", sites, "glob of the layers to edit, instead of the layers of a module");
}

std::vector<Site> EditedLayers::find(
    const Model& model, const std::function<std::vector<size_t>(size_t count)>& defaults) const {
  if (!sites.empty()) return model.find_sites(sites);
  const auto all = ffn_outputs(model, module);
  std::vector<Site> found;
  for (const auto layer :
       layers == "default" ? defaults(all.size()) : parse_layers(layers, all.size()))
    found.push_back(all.at(layer));
  return found;
}

}  // namespace emend
