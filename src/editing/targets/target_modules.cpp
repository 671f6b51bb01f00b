#include "editing/targets/target_modules.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/error.h"
#include "io/strings/glob.h"

namespace emend {
namespace {

[[noreturn]] void no_sites(const std::string& module) {
  throw Error("editing::sites",
              fmt::format("this model has no default layers for module '{}'", module),
              "choose layers with --sites GLOB; `emend inspect MODEL` lists them");
}

template <class Chosen>
std::vector<Site> sites_where(const Model& model, const Chosen& chosen) {
  std::vector<Site> found;
  for (const auto& site : model.sites())
    if (chosen(site)) found.push_back(site);
  return found;
}

// All layers of the projection's stage, or of the last vision stage that has layers.
std::vector<Site> stage_sites(const Model& model, const std::string& module) {
  const auto& stages = model.stages();
  size_t chosen = stages.size();
  for (const auto& site : model.sites())
    if (module == "projector" ? stages[site.stage].name == "connector.project"
                              : stages[site.stage].module == Module::vision_tower)
      chosen = site.stage;
  return sites_where(model, [&](const Site& site) { return site.stage == chosen; });
}

}  // namespace

std::vector<std::string> module_names() {
  return {"language", "connector", "projector", "vision_tower"};
}

const std::map<std::string, std::string>& module_aliases() {
  static const std::map<std::string, std::string> aliases = {{"vision", "connector"},
                                                             {"qformer", "connector"},
                                                             {"bridge", "connector"},
                                                             {"projection", "projector"},
                                                             {"tower", "vision_tower"}};
  return aliases;
}

std::string canonical_module(const std::string& name) {
  const auto found = module_aliases().find(name);
  return found == module_aliases().end() ? name : found->second;
}

std::string canonical_label(const std::string& label) {
  const auto colon = label.find(':');
  if (colon == std::string::npos) return label;
  // A space begins the value of a sweep: `ft:vision lr=0.1`.
  const auto space = std::min(label.find(' ', colon), label.size());
  return label.substr(0, colon + 1) + canonical_module(label.substr(colon + 1, space - colon - 1)) +
         label.substr(space);
}

Module module_part(const std::string& name) {
  if (name == "language") return Module::language;
  return name == "vision_tower" ? Module::vision_tower : Module::connector;
}

std::vector<Site> ft_sites(const Model& model, const std::string& module) {
  std::vector<Site> found;
  if (module == "language" || module == "connector") {
    auto pattern = model.default_sites(module_part(module));
    if (!pattern.empty()) found = model.find_sites(pattern);
  } else {
    found = stage_sites(model, module);
  }
  if (found.empty()) no_sites(module);
  return found;
}

std::vector<Site> lora_sites(const Model& model, const std::string& module) {
  if (module != "language" && module != "connector") return ft_sites(model, module);
  // The names in Hugging Face models: q_proj and v_proj in decoders, query and value in Q-Formers.
  const Glob attention("*.{q_proj,v_proj,query,value}");
  const auto part = module_part(module);
  auto found = sites_where(model, [&](const Site& site) {
    return model.stages()[site.stage].module == part && attention.matches(site.name);
  });
  // A connector without attention is a projector.
  return found.empty() ? ft_sites(model, module) : found;
}

size_t first_stage_of(const Model& model, const std::vector<Site>& sites) {
  size_t first = model.stages().size();
  for (const auto& site : sites) first = std::min(first, site.stage);
  return first;
}

}  // namespace emend
