#pragma once

#include <memory>
#include <string>
#include <vector>

#include "editing/editor.h"
#include "editing/editors/memory/counterfactual.h"
#include "editing/editors/serac/scope.h"
#include "editing/settings/settings.h"
#include "editing/training/trained_state.h"

namespace emend {

// Settings of SERAC.
struct SeracSettings {
  std::string module = "repaired";
  std::string checkpoint;  // a trained editor; empty: the one in the model folder
  // Current folder of the sentence encoder; empty: the same as in training.
  std::string encoder;
  std::string mix = "auto";  // auto: hard, or soft for module `paper`
  // Training puts the boundary at 0.5, but too few views of the same object are above it.
  double threshold = 0.25;
  int64_t seed = 0;

  void declare(SettingList& list);
  bool uses_soft_mixture() const { return mix == "soft" || (mix == "auto" && module == "paper"); }
};

// The sizes and options of SERAC. They are settings of training, and a checkpoint and the memory of
// a patch store them. Module `paper` reproduces EasyEdit: the classifier uses only texts and is not
// trained with unrelated pictures, both parts see the teacher-forced answer, and the projection of
// the counterfactual model is drawn again for each edit.
struct SeracConfig {
  std::string module = "repaired";
  std::string encoder;     // folder of the sentence encoder; empty: hidden states of the model
  std::string encoder_id;  // fingerprint of the sentence encoder
  int64_t blocks = 0;      // number of blocks before the hidden states; 0: half of them
  int64_t patch_feature_width = 16, hidden = 128, embedding = 32;  // see ScopeClassifier
  // A glob; empty: all layers of the language module.
  std::string sites;
  int64_t rank = 8;
  // Template of an edit before a question.
  std::string edit_prefix = "New Fact: {prompt}{target}\nPrompt:";

  void declare(SettingList& list);
  bool paper() const { return module == "paper"; }
};

// The networks of SERAC, trained for one model.
struct SeracState {
  // `opened` is the sentence encoder of the shape, if it is already open. Throws emend::Error if
  // the folder is missing or its fingerprint differs from the shape's encoder_id.
  SeracState(const Model& model, const SeracConfig& shape, uint64_t seed = 0,
             std::shared_ptr<const SentenceEncoder> opened = nullptr);

  SeracConfig shape;  // includes the fingerprint of the sentence encoder
  FeatureOptions features;
  ScopeClassifier scope;
  LowRankChange counterfactual;

  std::vector<std::pair<std::string, at::Tensor>> parameters() const;
  std::map<std::string, at::Tensor> tensors() const;
  // Throws emend::Error, which names `file`, if a tensor is missing, unexpected or has the wrong
  // shape.
  void load(const std::map<std::string, at::Tensor>& tensors, const std::string& file);

  // (B, scope.width()). `image_features` is the result of get_image_features for the pictures
  // of the batch.
  at::Tensor embed(const Vlm& vlm, const Batch& batch, const at::Tensor& image_features) const {
    return scope.embed(question_features(vlm, batch, image_features, features));
  }
};

// SERAC (Mitchell et al., arXiv 2206.06520) changes no weights. Edits are stored in a memory. If
// the scope classifier finds a question similar to an edit, the counterfactual model answers it
// with the edit in its prompt. A batch edit has one entry for each request.
class SeracEditor : public Editor {
 public:
  // Throws emend::Error if a setting is unknown.
  explicit SeracEditor(const nlohmann::json& settings);
  // Makes an editor that is still in training.
  explicit SeracEditor(std::shared_ptr<const SeracState> state);

  std::string name() const override { return "serac"; }
  nlohmann::json settings() const override { return settings_json(settings_); }
  size_t first_stage(const Model& model) const override { return model.stages().size() - 1; }
  Patch edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
             const EditContext& context = {}) const override;

 private:
  const SeracState& state(const Vlm& vlm) const;
  // From the checkpoint, for the model with the fingerprint `base`.
  std::shared_ptr<const SeracState> loaded(const Vlm& vlm, const std::string& base) const;

  SeracSettings settings_;
  TrainedState<SeracState> state_;
};

}  // namespace emend
