#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "editing/editor.h"
#include "editing/editors/ledger/keys/answer_sketch.h"
#include "editing/editors/ledger/keys/key_network.h"
#include "editing/editors/memory/counterfactual.h"
#include "editing/settings/settings.h"
#include "editing/training/named_tensors.h"
#include "editing/training/trained_state.h"

namespace emend {

// Settings of the ledger.
struct LedgerSettings {
  std::string checkpoint;          // a trained editor; empty: the one in the model folder
  std::string context = "always";  // the edit is put in front of questions in its scope
  // A question that follows from an edit ("What does this creature eat?" from its name) is answered
  // with an edit that names the target of that edit, if the texts are nearer than this; 0: never.
  double chain_limit = 5;
  std::string change = "lora";  // the editor of an entry's own change; "none"
  // An edit holds only if the model ends its answer after the target.
  bool end_of_answer = true;
  std::string scope = "all";  // the parts of the key that count
  double risk = 0.01;         // 1: the threshold is `limit`
  double confidence = 0.95;
  // Weight of the squared Hellinger distance of answers; negative: that of the checkpoint.
  double answer_weight = -1;
  double limit = 4;  // the largest squared distance of a question in scope
  // Weight of the squared distance to the key of an edit's consequences; 0: they are not in its
  // scope.
  double consequence_weight = 3.5;
  // The smallest probability of a new best token in the scope of consequences.
  double consequence_confidence = 0.8;
  double supersede = 0.5;  // a later edit nearer than this replaces an earlier one
  int64_t seed = 0;

  // The settings of a memory, which may be of an earlier version (EditorInfo::earlier_settings).
  static LedgerSettings of(const Patch& patch);
  void declare(SettingList& list);
};

// The sizes and options of the networks. They are settings of training, and a checkpoint and the
// memory of a patch store them.
struct LedgerConfig {
  int64_t blocks = 0;  // number of blocks before the text's hidden states; 0: half of them
  bool exclude_first_token = false;  // from the mean of the hidden states, and from `text_tokens`
  int64_t text_tokens = 0;  // number of last tokens that the key network attends to; 0: none
  int64_t hidden = 192, embedding = 48, heads = 8, head_width = 24;  // see KeyNetwork
  bool consequences = false;  // edits have a key for the questions that follow from them
  std::string sites;          // a glob; empty: all layers of the language module
  int64_t rank = 8;
  double answer_weight = 4;  // default of LedgerSettings::answer_weight
  std::string edit_prefix = "New Fact: {prompt}{target}\nPrompt:";

  void declare(SettingList& list);
};

// The networks of the editor, trained for one model.
struct LedgerState {
  LedgerState(const Model& model, const LedgerConfig& shape, uint64_t seed = 0);

  LedgerConfig shape;
  FeatureOptions features;
  KeyNetwork keys;
  LowRankChange counterfactual;  // how the model reads an edit in front of a question
  at::Tensor calibration;        // (M, width()) float32: keys of unrelated questions
  // (M, kFactWidth): the codes of their facts (fact_codes); undefined if they are not known.
  at::Tensor calibration_facts;
  // Their texts (text_bytes), if their facts are not known; otherwise undefined.
  at::Tensor calibration_texts;

  NamedTensors parameters() const;
  std::map<std::string, at::Tensor> tensors() const;
  // Throws emend::Error, which names `file`, if a tensor is missing, unexpected or has the wrong
  // shape.
  void load(const std::map<std::string, at::Tensor>& tensors, const std::string& file);

  // The width of a key: text, picture and answer.
  int64_t width() const { return keys.width() + kSketchWidth; }
  // The keys of questions, (B, width()). `image_features` is the result of
  // get_image_features for the pictures of the batch, `answers` that of prompt_answers.
  at::Tensor key_of(const Vlm& vlm, const Batch& batch, const at::Tensor& image_features,
                    const at::Tensor& answers) const;
  at::Tensor key_of(const QuestionFeatures& questions, const at::Tensor& answers) const;
  // The keys of the questions that follow from edits of these questions, (B, keys.width());
  // undefined without LedgerConfig::consequences.
  at::Tensor consequence_key_of(const QuestionFeatures& questions) const;
};

// A ledger of edits changes no weights. Each entry has a key, which is read from the question, the
// picture and the answer of the unedited model, the edit itself, and if necessary a low-rank change
// of a few kilobytes. A question whose key is near an entry's is in its scope: the model answers it
// with the edit in front of the question and with the entry's change. All other questions keep
// their bits. The distance at which a scope ends is calibrated: the rate of unrelated questions in
// the scope of any entry is at most `risk` (Certificate). A batch edit has one entry for each
// request.
class LedgerEditor : public Editor {
 public:
  // Throws emend::Error if a setting is unknown.
  explicit LedgerEditor(const nlohmann::json& settings);
  // Makes an editor that is still in training.
  explicit LedgerEditor(std::shared_ptr<const LedgerState> state);

  std::string name() const override { return "ledger"; }
  nlohmann::json settings() const override { return settings_json(settings_); }
  size_t first_stage(const Model& model) const override { return model.stages().size() - 1; }
  Patch edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
             const EditContext& context = {}) const override;

 private:
  const LedgerState& state(const Vlm& vlm) const;

  LedgerSettings settings_;
  TrainedState<LedgerState> state_;
};

}  // namespace emend
