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
  std::string id;           // patch_id() of all below but `effect`
  std::string base;         // fingerprint of the model it belongs to
  std::string editor;       // "ft"
  nlohmann::json settings;  // the editor's, seed included
  nlohmann::json request;   // image, prompt, target; an array of these for a batch edit
  nlohmann::json effect;    // the measures taken when it was made
  std::vector<SiteDelta> deltas;
  std::string made_by = std::string("emend ") + EMEND_VERSION;

  Interventions interventions() const;
};

// XXH3-128 in hexadecimal over base, editor, settings, request and the deltas' names, shapes,
// bytes.
std::string patch_id(const Patch& patch);

// A safetensors file (`SITE.delta`, or `SITE.up` and `SITE.down`) with everything else in its
// metadata. Written whole or not at all. Throws emend::Error for a delta that is not finite
// float32.
void save_patch(const std::string& path, const Patch& patch);
// Strict: throws emend::Error when the file is no patch, is of a later format, lacks or has more
// than it lists, or its content no longer gives its id.
Patch load_patch(const std::string& path);

// Adds a patch to the sum of those before it, by site: dense deltas added, low-rank ones side by
// side in one pair until dense is cheaper, so that long stacks stay cheap. For patches that stay.
void pile_up(Interventions& sums, const Patch& patch);

// Patches on one model. They stack in order and come off in any order; what remains is as if the
// others had never been there. They run as their sum, which is made anew from the list when a patch
// comes off: (W + d) - d would not be W.
class PatchStack {
 public:
  // Throws emend::Error when the patch belongs to another base, is already there, or names a site
  // that the model has not or has in another shape.
  void apply(const Vlm& vlm, Patch patch);
  // Throws emend::Error when no patch has this id.
  void remove(const std::string& id);
  Interventions interventions() const { return sums_; }
  const std::vector<Patch>& patches() const { return patches_; }

 private:
  std::vector<Patch> patches_;
  Interventions sums_;
};

}  // namespace emend
