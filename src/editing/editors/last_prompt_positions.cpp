#include "editing/editors/last_prompt_positions.h"

namespace emend {

at::Tensor last_prompt_positions(const Pass& pass) {
  const auto real = pass.positions >= 0;
  if (!pass.prompt_lengths.defined()) return at::zeros_like(real);
  return real.logical_and(real.cumsum(1) == pass.prompt_lengths.unsqueeze(1));
}

}  // namespace emend
