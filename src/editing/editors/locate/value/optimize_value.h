#pragma once

#include <string>
#include <vector>

#include "editing/editors/locate/contexts/edit_contexts.h"

namespace emend {

// The optimized value of an edit at a site.
struct EditValue {
  at::Tensor offset;  // (n, out) float32: is added to the site's output at the lookup positions
  // (n, out) float32: the change Z of a picture's layer (see PictureChange); undefined if the
  // offset was optimized. The offset is then that of the bare context.
  at::Tensor change;
  // With a change: the root mean square change of the output for other pictures, relative to the
  // output.
  double disturbance = 0;
  at::Tensor output;  // (n, out) float32: the site's output in the bare context
  std::vector<double>
      losses;  // nats a token, mean over the contexts; before each step, and at the end
  std::string stop_reason;  // stop_loss, step_limit
  bool clamped = false;     // the offset reached its maximum norm

  double relative_norm() const;  // norm(offset) / norm(output)
};

// For each edit, optimizes an offset of the output of `site` at the lookup positions, so that the
// model gives the target in every context [ROME, arXiv 2202.05262, eq. 4]:
//   mean nll(target) + kl_factor * KL(before || after) + weight_decay * norm(offset) /
//   norm(output)^2
// with Adam, where KL is that of the prompt "{subject} is a" at its last subject token. After each
// step, the offset is scaled back to norm(offset) <= clamp_norm_factor * norm(output). Several
// lookup positions have an offset each, and their norms are those of all together. With
// settings.adaptive, if the bare context does not give the answer after all steps, as many steps
// with sharpened logits follow, at most twice.
//
// If the contexts of an edit have coordinates, the change of the layer is optimized instead:
//   mean nll(target) over Z, with steps of equal length against the gradient
// where norm(Z)^2 is the expected squared change of the output for other pictures. Steepest descent
// in this norm takes the least disturbance for a given decrease of the loss. norm(Z) is limited to
// clamp_norm_factor times the root mean square norm of the output.
// In the language module, positions before the lookup position run once, and up to
// settings.value_batch edits run together, which changes their values by rounding only. Throws
// emend::Error if a loss is not finite, or if an answer does not depend on the site.
std::vector<EditValue> optimize_values(const Vlm& vlm, const std::vector<EditContexts>& edits,
                                       const Site& site, const LocateSettings& settings,
                                       const EditContext& context);

}  // namespace emend
