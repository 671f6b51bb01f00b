#pragma once

#include "models/architecture.h"
#include "models/bridge/qformer.h"
#include "models/language/llama.h"
#include "models/minigpt4_config.h"
#include "models/model.h"
#include "models/vision/eva_vit.h"

namespace emend {

// MiniGPT-4: BLIP-2's vision tower and Q-Former, projected into a Llama. Immutable, like every
// model.
class MiniGPT4 : public Model {
 public:
  // Takes every tensor from `weights`; throws emend::Error when one is missing, left over or
  // misshapen.
  MiniGPT4(const MiniGPT4Config& config, Weights& weights);

  std::string default_sites(Module module) const override;
  at::Tensor word_embeddings() const override { return llama_.word_embeddings(); }
  int64_t image_slots() const override { return queries_; }
  int64_t vocabulary() const override { return llama_.vocabulary(); }
  int64_t max_positions() const override { return llama_.max_positions(); }

 protected:
  void run_stage(size_t stage, Pass& pass, const Attachments& attachments) const override;

 private:
  int64_t queries_;
  size_t bridge_, language_;  // first stage of each
  EvaVit vision_;
  QFormer qformer_;
  Llama llama_;
};

Architecture minigpt4_architecture(const nlohmann::json& config);

}  // namespace emend
