#pragma once

#include <string>
#include <vector>

#include "editing/editor.h"
#include "editing/editors/locate/locate_settings.h"
#include "editing/training/forced.h"

namespace emend {

// A request in its context templates, as teacher-forced rows: first as given (the bare context),
// then with generated prefixes (language module), then with altered pictures. Contexts that are too
// long for the model are left out.
struct EditContexts {
  EditRequest request;
  ForcedBatch forced;
  std::vector<int64_t> lookup;  // language module: distances from the end of a row
  // (n) distances are the same for all rows. Other modules: empty, and all positions of a picture
  // are keys. Their rows are pictures, one for each context.
  // (contexts, T, n) float32, if the change of a layer is optimized instead of an offset of its
  // output: the coordinates of every position of the pictures; see PictureChange.
  at::Tensor coordinates = {};
  int64_t size() const { return static_cast<int64_t>(forced.answers.size()); }
  // (rows) the first lookup position of each row.
  std::vector<int64_t> lookup_begins() const;
};

// `prefixes`: see generated_prefixes. Throws emend::Error if the request has no picture and the
// module reads pictures.
EditContexts edit_contexts(const Vlm& vlm, const EditRequest& request,
                           const LocateSettings& settings,
                           const std::vector<std::string>& prefixes);

// The inputs and outputs of a site at the lookup positions of every context.
struct SiteValues {
  at::Tensor input;   // (contexts, n, in) float32
  at::Tensor output;  // (contexts, n, out) float32
};

// Runs the stage of the site from `pass`, which is before this stage, and reads the values.
SiteValues read_site(const Model& model, const Pass& pass, const EditContexts& contexts,
                     const Site& site, const Interventions& base);

// The values of pass.hidden (rows, T, d) at the lookup positions: (contexts, n, d) float32.
at::Tensor at_lookup(const at::Tensor& hidden, const EditContexts& contexts);

}  // namespace emend
