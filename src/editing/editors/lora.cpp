#include <ATen/CPUGeneratorImpl.h>

#include <cmath>

#include "editing/editors/editors.h"
#include "editing/editors/optimizing_editor.h"
#include "editing/targets/target_modules.h"
#include "editing/targets/traceable_sites.h"

namespace emend {
namespace {

// LoRA (arXiv 2106.09685): delta = alpha / rank * B A, with random A (rank, in) and B (out, rank)
// initialized to 0. Rank, alpha and sites are those of EasyEdit. Dropout is off, so that an edit is
// reproducible.
struct LoraSettings {
  std::string module = "language";
  std::string sites, trace;
  int64_t rank = 8;
  double alpha = 32;
  DeltaOptimizerSettings tuning;

  void declare(SettingList& list) {
    list.choice("module", module, module_names(),
                "module to edit; language: query and value of all attention layers; connector: "
                "those of the Q-Former, or all layers of the projector; projector: all layers of "
                "the projection; vision_tower: all layers of the last vision block",
                module_aliases());
    list.text("sites", sites,
              "glob of the layers to edit, instead of the layers of a module; traced: query and "
              "value of the module's block in which the trace of the edit has the largest effect");
    list.optional_text("trace", trace,
                       "trace.json of `emend trace` for sites=traced; empty: each edit is traced");
    list.whole("rank", rank, 1, 4096,
               "rank of the change; limited to the smaller dimension of a layer");
    list.number("alpha", alpha, 0, 1e6, "scaling factor: the change is alpha / rank * B A");
    tuning.declare(list, "learning rate; 0: 1e-3, with sgd 1e-2");
  }
};

// Uniform in +-1/sqrt(in), the initialization of PEFT. (rank, in) float32.
at::Tensor draw_down(int64_t rank, int64_t in, at::Generator& generator) {
  const double reach = 1 / std::sqrt(static_cast<double>(in));
  return at::rand({rank, in}, generator, at::dtype(at::kFloat)).mul_(2 * reach).sub_(reach);
}

class LoraEditor : public OptimizingEditor {
 public:
  explicit LoraEditor(const nlohmann::json& given)
      : settings_(read_settings<LoraSettings>("lora", given)) {
    settings_.tuning.complete(given, settings_.tuning.optimizer == "sgd" ? 1e-2 : 1e-3);
  }
  std::string name() const override { return "lora"; }
  nlohmann::json settings() const override { return settings_json(settings_); }

 protected:
  std::vector<Site> sites(const Model& model) const override {
    if (traced()) return block_attention_sites(model, settings_.module);
    return settings_.sites.empty() ? lora_sites(model, settings_.module)
                                   : model.find_sites(settings_.sites);
  }
  std::optional<TracedBlock> traced_block() const override {
    if (!traced()) return {};
    return TracedBlock{module_part(settings_.module), settings_.trace};
  }
  DeltaParameters initial_parameters(const Model& model,
                                     const std::vector<Site>& sites) const override {
    auto generator = at::detail::createCPUGenerator(static_cast<uint64_t>(settings_.tuning.seed));
    DeltaParameters parameters;
    std::vector<double> scales;
    for (const auto& site : sites) {
      const int64_t rank = std::min({settings_.rank, site.in, site.out});
      auto up = at::zeros({site.out, rank}, at::dtype(at::kFloat).device(model.device()));
      auto down = draw_down(rank, site.in, generator).to(model.device());
      parameters.leaves.push_back(up.requires_grad_());
      parameters.leaves.push_back(down.requires_grad_());
      scales.push_back(settings_.alpha / static_cast<double>(rank));
    }
    parameters.read = [sites, scales, leaves = parameters.leaves] {
      std::vector<SiteDelta> deltas;
      for (size_t i = 0; i < sites.size(); ++i)
        deltas.push_back({sites[i].name, {{}, leaves[2 * i] * scales[i], leaves[2 * i + 1]}});
      return deltas;
    };
    return parameters;
  }
  const DeltaOptimizerSettings& optimizer_settings() const override { return settings_.tuning; }

 private:
  bool traced() const { return settings_.sites == "traced"; }

  LoraSettings settings_;
};

}  // namespace

EditorInfo lora_editor() {
  return {
      "lora",
      "learns a low-rank change of attention weights (low-rank patch)",
      describe_settings<LoraSettings>(),
      [](const nlohmann::json& given) { return std::make_unique<LoraEditor>(given); },
      {},
      {"LoRA's rank is fixed: EasyEdit's AdaLoRA, which redistributes it, is not implemented.",
       "The end of the answer is also trained, so that generation stops after the target.",
       "Training continues until the answer holds, with an adaptive learning rate, instead of for "
       "a fixed number of steps.",
       "Dropout is off, so that the same request gives the same patch."}};
}

}  // namespace emend
