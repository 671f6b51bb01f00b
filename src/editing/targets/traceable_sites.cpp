#include "editing/targets/traceable_sites.h"

#include <fmt/format.h>

#include "editing/targets/blocks.h"
#include "editing/targets/target_modules.h"
#include "io/error.h"
#include "io/strings/glob.h"

namespace emend {
namespace {

// The sites in blocks whose names match.
std::vector<Site> sites_in_blocks(const Model& model, const std::string& module,
                                  const Glob& names) {
  std::vector<Site> found;
  for (const auto& site : model.sites()) {
    const auto& stage = model.stages()[site.stage];
    if (is_block(stage) && stage.module == module_part(module) && names.matches(site.name))
      found.push_back(site);
  }
  if (found.empty() || module == "projector")
    throw Error(
        "editing::targets",
        fmt::format("module '{}' of this model has no blocks that a trace can select", module),
        "use another module, or select layers by their names with sites=GLOB");
  return found;
}

}  // namespace

std::vector<Site> block_ffn_sites(const Model& model, const std::string& module) {
  return sites_in_blocks(model, module,
                         Glob("*.{fc1,fc2,gate_proj,up_proj,down_proj,intermediate_query.dense,"
                              "output_query.dense}"));
}

std::vector<Site> block_attention_sites(const Model& model, const std::string& module) {
  return sites_in_blocks(model, module, Glob("*.{q_proj,v_proj,query,value,qkv}"));
}

}  // namespace emend
