#pragma once

#include <string>
#include <vector>

#include "editing/editor.h"
#include "editing/editors/lifelong/sequence_changes.h"
#include "editing/settings/settings.h"
#include "editing/targets/edited_layers.h"

namespace emend {

// Settings that ROME, MEMIT and AlphaEdit share.
struct LocateSettings {
  EditedLayers where;
  std::string trace;
  std::string lookup = "auto";
  std::string keys = "auto";
  // The optimization of the value [ROME, arXiv 2202.05262, eq. 4].
  std::string value = "auto";
  int64_t steps = 25;
  double lr = 0;  // 0: in proportion to the site's output; see kChangeStep for a change
  double stop_loss = 0.05;
  double weight_decay = 0.5;
  double kl_factor = 0.0625;
  double clamp_norm_factor = 0;  // 0: see clamp_norm_factor()
  bool adaptive = true;
  double offset_scale = 1;
  bool end_of_answer = true;
  // Context templates.
  int64_t prefixes = 5;
  int64_t prefix_length = 10;
  int64_t altered_pictures = 8;
  int64_t value_batch = 8;
  // Second-moment statistics of the keys.
  std::string statistics;
  double text_weight = 0.1;
  double ridge = 1e-3;
  int64_t seed = 0;
  SequenceSettings sequence;

  void declare(SettingList& list);
};

// Whether the change of a layer is optimized instead of an offset of its output, if `layers` layers
// are edited. Throws emend::Error if value=change is not possible.
bool optimizes_change(const LocateSettings& settings, size_t layers);

// Whether every context template is a key of its own, if a change is optimized or not.
bool contexts_are_keys(const LocateSettings& settings, bool change);

// The maximum norm of the offset, relative to the value: the setting, or 4 as published for a
// subject, and 10 for other keys. The output of a layer at the last token of a prompt is small.
double clamp_norm_factor(const LocateSettings& settings, const EditRequest& request);

// Of the settings in `given`, those that have no effect next to the others, one sentence each.
std::vector<std::string> settings_without_effect(const nlohmann::json& given,
                                                 const LocateSettings& settings);

// Whether the key of an edit is at the last token of its subject.
bool has_subject_key(const LocateSettings& settings, const EditRequest& request);

}  // namespace emend
