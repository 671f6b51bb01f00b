#include "models/core/pass.h"

#include <algorithm>

namespace emend {

void Pass::set_picture_states(const std::vector<at::Tensor>& states) {
  picture_lengths.clear();
  for (const auto& state : states) picture_lengths.push_back(state.size(1));
  if (std::adjacent_find(picture_lengths.begin(), picture_lengths.end(), std::not_equal_to<>()) ==
      picture_lengths.end())
    picture_lengths.clear();
  hidden = padded_states(states);
}

void Pass::continue_after(const at::Tensor& lengths, const at::Tensor& prefix_rotary) {
  positions = at::where(positions >= 0, positions + lengths.unsqueeze(1), positions);
  if (!prefix_rotary.defined()) return;
  // The position after the largest one of the prefix, as transformers continues (`rope_deltas`).
  const auto first = (prefix_rotary.amax({0, 2}) + 1) * (lengths > 0).to(at::kLong);
  rotary_positions = rotary_positions + first.view({1, -1, 1});
}

at::Tensor Pass::mean_picture_states() const {
  if (picture_lengths.empty()) return hidden.mean(1);
  std::vector<at::Tensor> means;
  for (size_t i = 0; i < picture_lengths.size(); ++i)
    means.push_back(hidden[static_cast<int64_t>(i)].narrow(0, 0, picture_lengths[i]).mean(0));
  return at::stack(means);
}

}  // namespace emend
