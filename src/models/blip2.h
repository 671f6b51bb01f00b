#pragma once

#include "models/architecture.h"
#include "models/blip2_config.h"
#include "models/bridge/qformer.h"
#include "models/language/opt.h"
#include "models/model.h"
#include "models/vision/eva_vit.h"

namespace emend {

// Blip2ForConditionalGeneration with an OPT language model. Immutable: threads may run it at the
// same time on different passes.
class Blip2 : public Model {
 public:
  // Takes every tensor from `weights`; throws emend::Error when one is missing, left over or
  // misshapen.
  Blip2(const Blip2Config& config, Weights& weights);

  const Blip2Config& config() const { return config_; }
  std::string default_sites(Module module) const override;
  at::Tensor word_embeddings() const override { return opt_.word_embeddings(); }
  int64_t image_slots() const override { return config_.queries; }
  int64_t vocabulary() const override { return opt_.vocabulary(); }
  int64_t max_positions() const override { return opt_.max_positions(); }

 protected:
  void run_stage(size_t stage, Pass& pass, const Attachments& attachments) const override;

 private:
  Blip2Config config_;
  size_t bridge_, language_;  // first stage of each
  EvaVit vision_;
  QFormer qformer_;
  Opt opt_;
};

std::unique_ptr<Model> make_blip2(const Blip2Config& config, Weights& weights);

// Names as released folders have them: no release changed a tensor's, but newer ones put `model.`
// before the parts' modules.
std::string blip2_name(const std::string& name);
Architecture blip2_architecture(const nlohmann::json& config);

}  // namespace emend
