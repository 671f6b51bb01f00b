#pragma once

#include <memory>
#include <string>
#include <vector>

#include "editing/editor.h"
#include "editing/editors/ike/corpus.h"
#include "editing/settings/settings.h"

namespace emend {

struct IkeSettings {
  int64_t k = 32;
  IkeTemplates templates;
  bool own = true;  // the edit itself is the last demonstration
  bool images = false;
  int64_t room = 32;
  std::string checkpoint;  // the demonstrations' corpus; empty: the one that came with the model
  std::string embedding;   // what it has to be embedded by; empty: what it was embedded by

  void declare(SettingList& list);
};

// IKE (Zheng et al., arXiv 2305.12740, as MMEdit uses it, arXiv 2310.08475): weights stay as they
// are. The edit is told in front of every question, behind demonstrations of facts that were told
// and questions answered accordingly. Which those are is decided when the edit is made: the nearest
// of a corpus by cosine; they are kept in the patch's memory.
class IkeEditor : public Editor {
 public:
  // Throws emend::Error for unknown settings, and templates without their placeholders.
  explicit IkeEditor(const nlohmann::json& settings);

  std::string name() const override { return "ike"; }
  nlohmann::json settings() const override { return settings_json(settings_); }
  size_t first_stage(const Model&) const override { return 0; }
  // effect.demonstrations: how many were found, and how many of them fit in front of the (first)
  // edit's own question, which has its picture.
  Patch edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
             const EditContext& context = {}) const override;

 private:
  const IkeCorpus& corpus(const Vlm& vlm) const;

  IkeSettings settings_;
  mutable std::shared_ptr<const IkeCorpus> corpus_;  // read at the first edit
  mutable std::string base_;                         // the model that it was read for
};

}  // namespace emend
