#include "editing/targets/ffn_outputs.h"

#include <algorithm>
#include <set>

#include "editing/targets/blocks.h"
#include "editing/targets/target_modules.h"

namespace emend {
std::vector<Site> ffn_outputs(const Model& model, const std::string& module) {
  const auto name = canonical_module(module);
  if (name == "projector") return ft_sites(model, name);
  std::vector<Site> last;
  for (const auto& site : model.sites()) {
    const auto& stage = model.stages()[site.stage];
    if (stage.module != module_part(name) || !is_block(stage)) continue;
    if (!last.empty() && last.back().stage == site.stage) last.pop_back();
    last.push_back(site);
  }
  return last.empty() ? ft_sites(model, name) : last;
}

std::vector<Site> ffn_outputs_or_sites(const Model& model,
                                       const std::vector<std::string>& patterns) {
  const auto modules = module_names();
  std::set<std::string> chosen;
  for (const auto& pattern : patterns) {
    const auto module = canonical_module(pattern);
    const bool known = std::find(modules.begin(), modules.end(), module) != modules.end();
    for (const auto& site : known ? ffn_outputs(model, module) : model.find_sites(pattern))
      chosen.insert(site.name);
  }
  std::vector<Site> sites;
  for (const auto& site : model.sites())
    if (chosen.count(site.name)) sites.push_back(site);
  return sites;
}

}  // namespace emend
