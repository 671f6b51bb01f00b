#pragma once

#include <memory>
#include <string>
#include <vector>

#include "editing/editor.h"
#include "editing/editors/serac/counterfactual.h"
#include "editing/editors/serac/scope.h"
#include "editing/settings/settings.h"

namespace emend {

struct SeracSettings {
  std::string module = "repaired";
  std::string checkpoint;    // a trained editor; empty: the one that came with the model
  std::string encoder;       // where the sentence encoder is now; empty: where it was in training
  std::string mix = "auto";  // auto: hard, as the paper's reproduction soft
  // What is trained has its border at 0.5; too few views of the same thing are above.
  double threshold = 0.25;
  int64_t seed = 0;

  void declare(SettingList& list);
  bool mixes_softly() const { return mix == "soft" || (mix == "auto" && module == "paper"); }
};

// Of what SERAC's parts are made. Training declares it, a checkpoint and a patch's memory keep it.
// module `paper` does as the field's reproduction (EasyEdit): the classifier sees texts alone and
// knows no unrelated pictures, both parts see the answer that is fed in, and the counterfactual
// model's projection is redrawn at every edit.
struct SeracShape {
  std::string module = "repaired";
  std::string encoder;     // a sentence encoder's folder, for the classifier's texts; empty: states
  std::string encoder_id;  // its fingerprint
  int64_t blocks = 0;      // of the language module that the classifier's texts go through; 0: half
  int64_t narrow = 16, hidden = 128, embedding = 32;  // see ScopeClassifier
  std::string sites;                                  // a glob; empty: the language module's layers
  int64_t rank = 8;
  std::string told = "New Fact: {prompt}{target}\nPrompt:";  // an edit in front of a question

  void declare(SettingList& list);
  bool paper() const { return module == "paper"; }
};

// A trained SERAC on a model.
struct SeracTrained {
  // `opened`: the shape's sentence encoder, where it is open already. Throws emend::Error when it
  // is not there, or another than the shape's encoder_id says.
  SeracTrained(const Model& model, const SeracShape& shape, uint64_t seed = 0,
               std::shared_ptr<const SentenceEncoder> opened = nullptr);

  SeracShape shape;  // with the encoder's fingerprint
  FeatureOptions features;
  ScopeClassifier scope;
  LowRankChange counterfactual;

  std::vector<std::pair<std::string, at::Tensor>> trained() const;
  std::map<std::string, at::Tensor> tensors() const;
  // Throws emend::Error, naming `file`, when a tensor is missing, left over or misshapen.
  void load(const std::map<std::string, at::Tensor>& tensors, const std::string& file);

  // (B, scope.width()); `seen`: look_at of the batch's pictures.
  at::Tensor embed(const Vlm& vlm, const Batch& batch, const at::Tensor& seen) const {
    return scope.embed(question_features(vlm, batch, seen, features));
  }
  // Of what look_at gives: D.
  static int64_t picture_width(const Model& model);
};

// SERAC (Mitchell et al., arXiv 2206.06520): weights stay as they are. An edit is remembered; where
// the scope classifier finds a question near to one, the counterfactual model answers it, having
// read the edit. Several requests are several entries of one memory.
class SeracEditor : public Editor {
 public:
  // Throws emend::Error for unknown settings.
  explicit SeracEditor(const nlohmann::json& settings);
  // One that is still being trained.
  explicit SeracEditor(std::shared_ptr<const SeracTrained> trained);

  std::string name() const override { return "serac"; }
  nlohmann::json settings() const override { return settings_json(settings_); }
  size_t first_stage(const Model& model) const override { return model.stages().size() - 1; }
  Patch edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
             const EditContext& context = {}) const override;

 private:
  const SeracTrained& trained(const Vlm& vlm) const;

  SeracSettings settings_;
  mutable std::shared_ptr<const SeracTrained> trained_;  // read at the first edit
  mutable std::string base_;                             // the model that it was read for
};

// Of an edit's Projection.
uint64_t projection_seed(int64_t seed, const std::string& entry, const std::string& target);

}  // namespace emend
