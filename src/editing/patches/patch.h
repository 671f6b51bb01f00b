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

// One weight's change: float32, dense (out, in) or low-rank.
struct SiteDelta {
  std::string site;
  WeightDelta delta;
};

// What a patch remembers beside weights, one entry an edit: what SERAC retrieves, what IKE shows.
struct MemoryEntry {
  std::string name;  // by it an entry is found; a later one replaces an earlier of its name
  nlohmann::json facts;
  std::map<std::string, at::Tensor> tensors;  // float32
};

struct Memory {
  std::map<std::string, at::Tensor> network;  // float32; what reads the entries, the same for all
  nlohmann::json reading;                     // what that takes beside the network; may be null
  std::vector<MemoryEntry> entries;
  // What `reading` names, where it is open already; neither saved nor part of the patch's id.
  std::shared_ptr<const SentenceEncoder> encoder;

  void add(MemoryEntry entry);
  // Throws emend::Error that lists names when there is none of this one.
  void remove(const std::string& name);
};

// By what an edit is found again: the same question about the same picture is the same entry.
// pixels: (3, H, W), or undefined.
std::string entry_name(const std::string& prompt, const at::Tensor& pixels);

// An edit as a value: what to attach, to which base, and how it came to be.
struct Patch {
  std::string id;           // patch_id() of all below but `effect`
  std::string base;         // fingerprint of the model it belongs to
  std::string editor;       // "ft"
  nlohmann::json settings;  // the editor's, seed included
  nlohmann::json request;   // image, prompt, target; an array of these for a batch edit
  nlohmann::json effect;    // the measures taken when it was made
  std::vector<SiteDelta> deltas;
  Memory memory;
  std::string made_by = std::string("emend ") + EMEND_VERSION;

  // What to attach. It refers to `vlm` and `store`, which have to outlive it. `store`: where
  // pictures' features are looked up by what works with pictures of its own.
  Interventions interventions(const Vlm& vlm, ActivationStore* store = nullptr) const;
};

Interventions on_weights(const std::vector<SiteDelta>& deltas);

// XXH3-128 in hexadecimal over base, editor, settings, request, memory and the deltas' names,
// shapes, bytes.
std::string patch_id(const Patch& patch);

// A safetensors file (`SITE.delta`, or `SITE.up` and `SITE.down`; `memory.network.NAME` and
// `memory.ENTRY.NAME`) with everything else in its metadata. Written whole or not at all. Throws
// emend::Error for a delta that is not finite float32.
void save_patch(const std::string& path, const Patch& patch);
// Strict: throws emend::Error when the file is no patch, is of a later format, lacks or has more
// than it lists, or its content no longer gives its id.
Patch load_patch(const std::string& path);

}  // namespace emend
