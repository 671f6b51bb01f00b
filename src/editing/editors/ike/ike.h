#pragma once

#include <memory>
#include <string>
#include <vector>

#include "editing/editor.h"
#include "editing/editors/ike/corpus.h"
#include "editing/settings/settings.h"
#include "editing/training/trained_state.h"

namespace emend {

// Settings of IKE.
struct IkeSettings {
  int64_t k = 32;
  IkeTemplates templates;
  bool copy_demonstration = true;  // the edit itself is the last demonstration
  bool images = false;
  int64_t reserved_answer_tokens = 32;
  std::string checkpoint;  // corpus of demonstrations; empty: the one in the model folder
  std::string embedding;   // required embedding of the corpus; empty: any

  void declare(SettingList& list);
};

// IKE (Zheng et al., arXiv 2305.12740, as MMEdit uses it, arXiv 2310.08475): in-context editing,
// which changes no weights. Each prompt is preceded by the edited fact, and by demonstrations of
// new facts and of questions that are answered accordingly. The demonstrations are the nearest ones
// of a corpus by cosine similarity. They are retrieved when the edit is made, and stored in the
// memory of the patch.
class IkeEditor : public Editor {
 public:
  // Throws emend::Error if a setting is unknown, or a template lacks a placeholder.
  explicit IkeEditor(const nlohmann::json& settings);

  std::string name() const override { return "ike"; }
  nlohmann::json settings() const override { return settings_json(settings_); }
  size_t first_stage(const Model&) const override { return 0; }
  // effect.demonstrations has the number of retrieved demonstrations, and how many of them fit
  // before the question of the (first) edit, which has its picture.
  Patch edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
             const EditContext& context = {}) const override;

 private:
  const IkeCorpus& corpus(const Vlm& vlm) const;

  IkeSettings settings_;
  TrainedState<IkeCorpus> corpus_;
};

}  // namespace emend
