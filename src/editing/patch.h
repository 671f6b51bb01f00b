#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "models/vlm.h"

namespace emend {

// One weight's change: float32, dense (out, in) or low-rank.
struct SiteDelta {
  std::string site;
  WeightDelta delta;
};

// An edit as a value: what to attach, to which base, and how it came to be.
struct Patch {
  std::string id;           // hash of the deltas and settings
  std::string base;         // fingerprint of the model it belongs to
  std::string editor;       // "ft"
  nlohmann::json settings;  // the editor's, seed included
  nlohmann::json request;   // image, prompt, target
  nlohmann::json effect;    // the measures taken when it was made
  std::vector<SiteDelta> deltas;

  Interventions interventions() const;
};

// A safetensors file with everything above in its metadata.
void save_patch(const std::string& path, const Patch& patch);
Patch load_patch(const std::string& path);

// Patches on one model. They stack in order and come off in any order; what remains is as if the
// others had never been there. Sites with several dense deltas run with their sum.
class PatchStack {
 public:
  // Throws emend::Error when the patch belongs to another base or a site's shape differs.
  void apply(const Vlm& vlm, Patch patch);
  void remove(const std::string& id);
  Interventions interventions() const;
  const std::vector<Patch>& patches() const { return patches_; }

 private:
  std::vector<Patch> patches_;
};

}  // namespace emend
