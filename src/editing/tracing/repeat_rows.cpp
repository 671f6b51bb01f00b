#include "editing/tracing/repeat_rows.h"

#include <algorithm>

namespace emend {
namespace {

at::Tensor repeated_tensor(const at::Tensor& tensor, int64_t times) {
  if (!tensor.defined() || times == 1) return tensor;
  std::vector<int64_t> repeats(tensor.dim(), 1);
  repeats[0] = times;
  return tensor.repeat(repeats);
}

// Repeats indices, which are larger by `step` in each repetition.
at::Tensor repeated_index(const at::Tensor& index, int64_t times, int64_t step) {
  if (!index.defined() || times == 1) return index;
  const auto offset = at::arange(times, index.options()) * step;
  return (index.unsqueeze(0) + offset.unsqueeze(1)).flatten();
}

// The number of image features of the pass, with those of padding.
int64_t image_features(const Model& model, const Pass& pass) {
  int64_t longest = 0;
  for (const auto& picture : pass.pixels) longest = std::max(longest, model.image_tokens(picture));
  return longest * pass.pixels.size();
}

}  // namespace

Pass repeat_rows(const Model& model, const Pass& pass, int64_t times, const KvCache* prefix) {
  Pass result = pass;
  for (auto* tensor : {&result.ids, &result.mask, &result.segments, &result.positions,
                       &result.prompt_lengths, &result.hidden, &result.features, &result.attention})
    *tensor = repeated_tensor(*tensor, times);
  if (const auto& axes = pass.rotary_positions; axes.defined())
    result.rotary_positions = axes.repeat({1, times, 1});
  const auto language = model.first_stage(Module::language);
  if (pass.pixels.defined() && pass.next <= language) {
    result.pixels = pass.pixels.repeat(times);
    result.image_positions =
        repeated_index(pass.image_positions, times, pass.ids.size(0) * pass.ids.size(1));
    result.image_source = repeated_index(pass.image_source, times, image_features(model, pass));
  }
  result.cache = nullptr;
  if (prefix) {
    result.cache = std::make_shared<KvCache>();
    const auto rows = result.ids.size(0);
    for (const auto* kind : {&prefix->keys, &prefix->values})
      for (const auto& one : *kind)
        (kind == &prefix->keys ? result.cache->keys : result.cache->values)
            .push_back(one.expand({rows, -1, -1, -1}));
  }
  return result;
}

Pass narrow_rows(const Pass& pass, int64_t first, int64_t count) {
  Pass result = pass;
  for (auto* tensor :
       {&result.ids, &result.mask, &result.segments, &result.positions, &result.prompt_lengths})
    if (tensor->defined()) *tensor = tensor->narrow(0, first, count);
  if (auto& axes = result.rotary_positions; axes.defined()) axes = axes.narrow(1, first, count);
  return result;
}

}  // namespace emend
