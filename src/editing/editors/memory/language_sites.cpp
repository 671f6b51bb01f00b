#include "editing/editors/memory/language_sites.h"

#include <fmt/format.h>

#include "io/error.h"

namespace emend {

std::vector<Site> counterfactual_sites(const Model& model, const std::string& pattern) {
  if (!pattern.empty()) return model.find_sites(pattern);
  std::vector<Site> sites;
  for (const auto& site : model.sites())
    if (model.stages()[site.stage].module == Module::language &&
        site.stage + 1 < model.stages().size())
      sites.push_back(site);
  return sites;
}

size_t text_stage(const Model& model, int64_t blocks) {
  const auto embed = model.first_stage(Module::language);
  const auto all = static_cast<int64_t>(model.stages().size() - embed) - 2;
  if (blocks > all)
    throw Error(
        "editing::memory",
        fmt::format("setting 'blocks' is {}, but the language module has {} blocks", blocks, all),
        "use a smaller number; 0 means half of the blocks");
  return embed + static_cast<size_t>(blocks > 0 ? blocks : (all + 1) / 2);
}

int64_t text_width(const Model& model) {
  // The input width of a block's first layer.
  const auto block = model.first_stage(Module::language) + 1;
  for (const auto& site : model.sites())
    if (site.stage == block) return site.in;
  throw Error("editing::memory", "the language module has no blocks",
              "choose an editor that changes weights: --editor ft");
}

int64_t connector_width(const Model& model) {
  const auto language = model.first_stage(Module::language);
  int64_t width = 0;
  for (const auto& site : model.sites())
    if (site.stage < language) width = site.out;  // the output of the last layer
  return width;
}

}  // namespace emend
