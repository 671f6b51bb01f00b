#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "models/vlm.h"

namespace emend {

class ActivationStore;
class SentenceEncoder;

// The change of one weight: float32, dense (out, in) or low-rank.
struct SiteDelta {
  std::string site;
  WeightDelta delta;
};

// The keys of the edits of a patch at one site: the inputs for which the patch changes the output
// [AlphaEdit, arXiv 2410.02355]. Later edits of a stack preserve them.
struct SiteKeys {
  std::string site;
  at::Tensor keys;  // (n, in) float32
  // (n, out) float32: the gradients of the loss at the outputs, whose statistics UltraEdit keeps;
  // undefined for other editors.
  at::Tensor gradients = {};
};

// The memory of a patch, with one entry for each edit: SERAC and IKE retrieve from it.
struct MemoryEntry {
  // Identifies the entry; a later entry replaces an earlier one with the same name.
  std::string name;
  nlohmann::json facts;
  std::map<std::string, at::Tensor> tensors;  // float32
};

// What an editor has computed of the entries of a growing memory.
struct MemoryCache {
  virtual ~MemoryCache() = default;
};

// The edits of an editor that changes no weights: a network, and an entry for each edit that the
// network reads when the model answers.
struct Memory {
  std::map<std::string, at::Tensor> network;  // float32; the network that reads the entries
  nlohmann::json reading;                     // the settings of the network; may be null
  std::vector<MemoryEntry> entries;
  // The sentence encoder that `reading` names, if it is open. It is not saved and not part of the
  // id.
  std::shared_ptr<const SentenceEncoder> encoder;
  // The entries of a growing memory are changed by add() and remove() only, and `cache` contains
  // what an editor has computed of the first entries. Neither is saved or part of the id.
  bool growing = false;
  mutable std::shared_ptr<const MemoryCache> cache;

  // An entry of the same name is removed: the new entry is the last one, and later entries win.
  void add(MemoryEntry entry);
  // Throws emend::Error, which lists the names, if there is no entry of this name.
  void remove(const std::string& name);
};

// Returns the name of an entry, which is equal for equal questions about equal pictures. pixels:
// (3, H, W), or undefined.
std::string entry_name(const std::string& prompt, const at::Tensor& pixels);

// An edit as a value: the changes, the base model, and how it was made.
struct Patch {
  std::string id;           // patch_id() of all fields but `effect`
  std::string base;         // fingerprint of the base model
  std::string editor;       // for example "ft"
  nlohmann::json settings;  // of the editor, including the seed
  nlohmann::json request;   // image, prompt, target, and the subject, if known; an array
                            // of these for a batch edit
  nlohmann::json effect;    // measurements from when the patch was made
  std::vector<SiteDelta> deltas;
  std::vector<SiteKeys> keys;  // at most one for each site
  Memory memory;
  std::string made_by = std::string("emend ") + EMEND_VERSION;

  // Returns the interventions of the patch. They refer to `vlm` and `store`, which must outlive
  // them. `store` provides picture features to editors that need them.
  Interventions interventions(const Vlm& vlm, ActivationStore* store = nullptr) const;
};

Interventions on_weights(const std::vector<SiteDelta>& deltas);

// XXH3-128 in hexadecimal of base, editor, settings, request, memory, and the names, shapes and
// bytes of the deltas.
std::string patch_id(const Patch& patch);

// Writes a safetensors file (`SITE.delta`, or `SITE.up` and `SITE.down`; `SITE.keys` and
// `SITE.gradients`; `memory.network.NAME` and `memory.ENTRY.NAME`) with all other fields in its
// metadata. The file is written completely or not at all. Throws emend::Error if a delta is not
// finite float32.
void save_patch(const std::string& path, const Patch& patch);
// Reads a patch strictly. Throws emend::Error if the file is not a patch, has a newer format, has
// missing or unexpected tensors, or if its content does not match its id.
Patch load_patch(const std::string& path);

}  // namespace emend
