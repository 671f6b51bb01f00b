#include "models/core/pictures.h"

#include <algorithm>

#include "io/error.h"

namespace emend {

Pictures::Pictures(const at::Tensor& same_size) {
  if (same_size.defined()) pictures_ = same_size.unbind();
}

void Pictures::append(const Pictures& more) {
  pictures_.insert(pictures_.end(), more.begin(), more.end());
}

Pictures Pictures::narrow(int64_t first, int64_t count) const {
  return Pictures(std::vector<at::Tensor>(begin() + first, begin() + first + count));
}

Pictures Pictures::repeat(int64_t times) const {
  Pictures all;
  for (int64_t i = 0; i < times; ++i) all.append(*this);
  return all;
}

Pictures Pictures::to(at::Device device) const {
  Pictures moved = *this;
  for (auto& picture : moved.pictures_) picture = picture.to(device);
  return moved;
}

bool Pictures::same_size() const {
  return std::all_of(begin(), end(),
                     [&](const auto& p) { return p.sizes() == pictures_[0].sizes(); });
}

at::Tensor Pictures::stacked() const {
  if (pictures_.empty() || !same_size())
    throw Error("models::request", "the pictures of a batch have different sizes",
                "use one picture per batch; this model does not resize pictures");
  return at::stack(pictures_);
}

at::Tensor padded_states(const std::vector<at::Tensor>& states) {
  int64_t longest = 0;
  for (const auto& state : states) longest = std::max(longest, state.size(1));
  std::vector<at::Tensor> padded;
  for (const auto& state : states)
    padded.push_back(state.size(1) == longest
                         ? state
                         : at::constant_pad_nd(state, {0, 0, 0, longest - state.size(1)}));
  return at::cat(padded);
}

}  // namespace emend
