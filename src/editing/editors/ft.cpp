#include "editing/editors/editors.h"
#include "editing/editors/optimizing_editor.h"
#include "editing/targets/target_modules.h"
#include "editing/targets/traceable_sites.h"

namespace emend {
namespace {

// Fine-tuning: optimizes dense weight deltas until the model gives the target. The paper (arXiv
// 2310.08475) tunes the FFN of the last decoder block, or the Q-Former. With norm_constraint, the
// method is FT-L (arXiv 2012.00363).
struct FtSettings {
  std::string preset = "none";
  std::string module = "language";
  std::string sites, trace;
  DeltaOptimizerSettings tuning;
  double norm_constraint = 0;

  void declare(SettingList& list) {
    list.choice("preset", preset, {"none", "paper", "vlkeb", "vlkeb-minigpt4"},
                "published settings, which single settings override; vlkeb: adamw, lr 2e-4 "
                "(vlkeb-minigpt4: 1e-4), 15 steps, no early stop, the end of the answer is not "
                "trained; paper: the same, because the paper gives no optimizer settings");
    list.choice(
        "module", module, module_names(),
        "module to edit; language: FFN of the last decoder block; connector: all layers of the "
        "connector; projector: the connector's projection; vision_tower: the last vision block",
        module_aliases());
    list.text("sites", sites,
              "glob of the layers to edit, instead of the layers of a module; traced: the FFN of "
              "the module's block in which the trace of the edit has the largest effect");
    list.optional_text("trace", trace,
                       "trace.json of `emend trace` for sites=traced; empty: each edit is traced");
    tuning.declare(list,
                   "learning rate; 0: 1e-3 for language and projector, 5e-4 for connector, "
                   "vision_tower and sites=GLOB (with sgd: 0.1 and 1e-2)");
    list.number("norm_constraint", norm_constraint, 0, 1e9,
                "maximum change of any weight (FT-L); 0: unlimited");
  }
};

// Given settings override the preset's settings, which override the defaults.
FtSettings read_with_preset(const nlohmann::json& given) {
  const auto settings = read_settings<FtSettings>("ft", given);
  if (settings.preset == "none") return settings;
  nlohmann::json all = {{"optimizer", "adamw"},
                        {"lr", settings.preset == "vlkeb-minigpt4" ? 1e-4 : 2e-4},
                        {"steps", 15},
                        {"stop_loss", 0},
                        {"end_of_answer", false},
                        {"adaptive", false}};
  all.update(given);
  return read_settings<FtSettings>("ft", all);
}

class FtEditor : public OptimizingEditor {
 public:
  explicit FtEditor(const nlohmann::json& given) : settings_(read_with_preset(given)) {
    const auto& module = settings_.module;
    // One or two layers tolerate a higher learning rate than many layers.
    const bool few =
        (settings_.sites.empty() || traced()) && (module == "language" || module == "projector");
    auto& tuning = settings_.tuning;
    const double own = tuning.optimizer == "sgd" ? (few ? 0.1 : 1e-2) : few ? 1e-3 : 5e-4;
    tuning.complete(given, own);
  }
  std::string name() const override { return "ft"; }
  nlohmann::json settings() const override { return settings_json(settings_); }

 protected:
  std::vector<Site> sites(const Model& model) const override {
    if (traced()) return block_ffn_sites(model, settings_.module);
    return settings_.sites.empty() ? ft_sites(model, settings_.module)
                                   : model.find_sites(settings_.sites);
  }
  std::optional<TracedBlock> traced_block() const override {
    if (!traced()) return {};
    return TracedBlock{module_part(settings_.module), settings_.trace};
  }
  DeltaParameters initial_parameters(const Model& model,
                                     const std::vector<Site>& sites) const override {
    DeltaParameters parameters;
    parameters.bound = settings_.norm_constraint;
    std::vector<SiteDelta> deltas;
    for (const auto& site : sites) {
      auto leaf = at::zeros({site.out, site.in}, at::dtype(at::kFloat).device(model.device()));
      parameters.leaves.push_back(leaf.requires_grad_());
      deltas.push_back({site.name, {parameters.leaves.back(), {}, {}}});
    }
    parameters.read = [deltas] { return deltas; };
    return parameters;
  }
  const DeltaOptimizerSettings& optimizer_settings() const override { return settings_.tuning; }

 private:
  bool traced() const { return settings_.sites == "traced"; }

  FtSettings settings_;
};

}  // namespace

EditorInfo ft_editor() {
  return {
      "ft",
      "fine-tunes weights until the model gives the target (dense patch)",
      describe_settings<FtSettings>(),
      [](const nlohmann::json& given) { return std::make_unique<FtEditor>(given); },
      {},
      {"The end of the answer is also trained, so that generation stops after the target.",
       "Training continues until the answer holds, with an adaptive learning rate, instead of for "
       "a fixed number of steps; preset=vlkeb is the published run.",
       "Weight decay, if set, acts on the change instead of the weight.",
       "Dropout is off, so that the same request gives the same patch."}};
}

}  // namespace emend
