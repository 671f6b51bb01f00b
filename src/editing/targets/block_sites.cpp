#include "editing/targets/block_sites.h"

#include <fmt/format.h>

#include <algorithm>

#include "editing/targets/blocks.h"
#include "editing/targets/target_modules.h"
#include "io/error.h"

namespace emend {

void BlockSites::declare_module(SettingList& list, std::string& module) {
  list.choice("module", module, {"language", "connector", "vision_tower"}, "module to edit",
              module_aliases());
}

void BlockSites::declare(SettingList& list) {
  declare_module(list, module);
  list.text("sites", sites, "glob of the layers to edit, instead of the layers of a module");
  list.whole("depth", depth, 0, 1000,
             "number of last blocks to edit; 0: language 3, connector 2, vision_tower 3");
}

std::vector<Site> BlockSites::find(const Model& model) const {
  if (!sites.empty()) return model.find_sites(sites);
  const auto& stages = model.stages();
  const auto part = module_part(module);
  std::vector<std::vector<Site>> blocks;
  for (const auto& site : model.sites()) {
    const auto& stage = stages[site.stage];
    if (stage.module != part || !is_block(stage)) continue;
    if (blocks.empty() || blocks.back().front().stage != site.stage) blocks.emplace_back();
    blocks.back().push_back(site);
  }
  // A connector without blocks is a projector: all of its layers.
  if (blocks.empty() && part == Module::connector)
    if (const auto all = model.default_sites(part); !all.empty()) return model.find_sites(all);
  if (blocks.empty())
    throw Error("editing::sites", fmt::format("this model has no blocks in module '{}'", module),
                "choose layers with --set sites=GLOB; `emend inspect MODEL` lists them");
  const auto wanted = static_cast<size_t>(depth > 0 ? depth : module == "connector" ? 2 : 3);
  const size_t layers = module == "connector" ? 1 : 2;
  std::vector<Site> found;
  for (size_t b = blocks.size() - std::min(wanted, blocks.size()); b < blocks.size(); ++b)
    for (size_t i = blocks[b].size() - std::min(layers, blocks[b].size()); i < blocks[b].size();
         ++i)
      found.push_back(blocks[b][i]);
  return found;
}

}  // namespace emend
