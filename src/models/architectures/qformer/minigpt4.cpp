#include "models/architectures/qformer/minigpt4.h"

#include "models/architectures/qformer/qformer_vlm.h"
#include "models/config/minigpt4_config.h"
#include "models/language/llama.h"

namespace emend {

Architecture minigpt4_architecture(const nlohmann::json& json) {
  const auto config = MiniGPT4Config::parse(json);
  Architecture architecture;
  architecture.canonical = config.canonical();
  if (config.text.tied) architecture.tied_weights = {"language_model.lm_head.weight"};
  architecture.layout = config.layout;
  architecture.make_model = [config](Weights& weights) {
    const QFormerVlm::Parts parts{config.vision, config.qformer, config.queries, config.text.hidden,
                                  [&](const Builder& builder) {
                                    return std::make_unique<Llama>(config.text, builder,
                                                                   "language_model.");
                                  }};
    return std::make_unique<QFormerVlm>(parts, identity_name, weights);
  };
  return architecture;
}

}  // namespace emend
