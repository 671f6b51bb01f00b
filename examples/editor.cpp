// A new editor: one gradient step on one layer, as a low-rank patch.
//   example_editor MODEL_FOLDER IMAGE QUESTION ANSWER
#include <iostream>

#include "editing/editors/optimize_deltas.h"
#include "editing/training/forced.h"
#include "editing/training/gradient_factors.h"
#include "models/caching/prefix.h"

class GradientStep : public emend::Editor {
 public:
  explicit GradientStep(double rate) : rate_(rate) {}
  std::string name() const override { return "gradient-step"; }
  nlohmann::json settings() const override { return {{"rate", rate_}}; }
  // The first stage that a patch changes. Everything before it is computed once and shared.
  size_t first_stage(const emend::Model& model) const override { return site(model).stage; }

  emend::Patch edit(const emend::Vlm& vlm, const std::vector<emend::EditRequest>& requests,
                    const emend::EditContext& context) const override {
    const auto& model = *vlm.model;
    const auto forced = emend::force_edits(vlm, requests, /*end_of_answer=*/true);
    const auto prefix =
        emend::forward_until(vlm, forced.batch, first_stage(model), context.base, context.store);
    // The gradient of a linear layer's weight is gradient^T input, summed over rows and positions.
    const auto found = emend::edit_factors(model, prefix, forced, {site(model)}, context.base);
    const auto input = found.sites[0].input.flatten(0, 1);        // (positions, in)
    const auto gradient = found.sites[0].gradient.flatten(0, 1);  // (positions, out)
    auto patch = emend::patch_for(*this, vlm, requests);
    patch.deltas.push_back({site(model).name, {{}, gradient.t() * -rate_, input}});
    patch.effect = {{"loss_before", found.loss}};
    patch.id = emend::patch_id(patch);
    return patch;
  }

 private:
  static emend::Site site(const emend::Model& model) {
    return model.find_sites("language_model.model.decoder.layers.*.fc2").back();
  }
  double rate_;
};

int main(int argc, char** argv) try {
  if (argc != 5) throw std::invalid_argument("usage: example_editor MODEL IMAGE QUESTION ANSWER");
  const auto vlm = emend::load_vlm(argv[1]);
  const emend::EditRequest request{{argv[2]},
                                   std::string("Question: ") + argv[3] + " Short answer:",
                                   std::string(" ") + argv[4]};
  const auto patch = GradientStep(0.5).edit(vlm, {request}, {});
  std::cout << "loss before: " << patch.effect["loss_before"] << "\nanswer: "
            << emend::generate(vlm, {{request.image.load(), request.prompt}},
                               patch.interventions(vlm))
                   .front()
            << "\n";
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 1;
}
