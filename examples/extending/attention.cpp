#include "examples/extending/attention.h"

#include "editing/editors/optimizing_editor.h"

namespace emend {
namespace {

// Each setting is declared once. Reading, results and `emend editors` follow from it.
struct AttentionSettings {
  std::string layer = "output";
  DeltaOptimizerSettings tuning;

  void declare(SettingList& list) {
    list.choice("layer", layer, {"output", "value"}, "projection of attention to change");
    tuning.declare(list, "learning rate; 0: 1e-3");
  }
};

class AttentionEditor : public OptimizingEditor {
 public:
  explicit AttentionEditor(const nlohmann::json& given)
      : settings_(read_settings<AttentionSettings>("attention", given)) {
    settings_.tuning.complete(given, /*own_lr=*/1e-3);
  }
  std::string name() const override { return "attention"; }
  nlohmann::json settings() const override { return settings_json(settings_); }

 protected:
  std::vector<Site> sites(const Model& model) const override {
    std::vector<Site> found;
    for (const auto& site : model.sites()) {
      const auto& name = site.name;
      const bool chosen = settings_.layer == "value"
                              ? name.ends_with(".v_proj")
                              : name.ends_with(".out_proj") || name.ends_with(".o_proj");
      if (chosen && model.stages()[site.stage].module == Module::language) found.push_back(site);
    }
    return found;
  }
  // A dense change of every site, which starts at zero.
  DeltaParameters initial_parameters(const Model& model,
                                     const std::vector<Site>& sites) const override {
    std::vector<SiteDelta> deltas;
    DeltaParameters parameters;
    for (const auto& site : sites) {
      auto leaf = at::zeros({site.out, site.in}, at::dtype(at::kFloat).device(model.device()));
      parameters.leaves.push_back(leaf.requires_grad_());
      deltas.push_back({site.name, {parameters.leaves.back(), {}, {}}});  // {dense, up, down}
    }
    parameters.read = [deltas] { return deltas; };
    return parameters;
  }
  const DeltaOptimizerSettings& optimizer_settings() const override { return settings_.tuning; }

 private:
  AttentionSettings settings_;
};

}  // namespace

EditorInfo attention_editor() {
  return {"attention", "fine-tunes one projection of attention (dense patch)",
          describe_settings<AttentionSettings>(),
          [](const nlohmann::json& given) { return std::make_unique<AttentionEditor>(given); }};
}

}  // namespace emend
