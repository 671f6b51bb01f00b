#include "editing/editors/liveedit/routing_losses.h"

namespace emend {
namespace {

constexpr double kTiny = 1e-8;

at::Tensor negative_log(const at::Tensor& p) { return -(p + kTiny).log(); }

// softmax([s, z]): (N, N + 1).
at::Tensor found_pictures(const at::Tensor& inputs, const at::Tensor& edits,
                          const at::Tensor& sentinels) {
  return at::cat({feature_similarity(inputs, edits),
                  own_similarity(inputs, sentinels).unsqueeze(1)},
                 1)
      .softmax(1);
}

}  // namespace

at::Tensor soft_routing_loss(const at::Tensor& inputs, const at::Tensor& edits) {
  const auto similarity = feature_similarity(inputs, edits);
  const auto related = similarity.sigmoid();
  auto loss = negative_log(similarity.softmax(1).diagonal()) + negative_log(related.diagonal());
  if (inputs.size(0) > 1) loss = loss + negative_log(1 - related.roll(1, 1).diagonal());
  return loss.mean();
}

at::Tensor neighbor_loss(const at::Tensor& inputs, const at::Tensor& edits,
                         const at::Tensor& sentinels) {
  return negative_log(found_pictures(inputs, edits, sentinels).diagonal()).mean();
}

at::Tensor sentinel_loss(const at::Tensor& inputs, const at::Tensor& edits,
                         const at::Tensor& sentinels) {
  return negative_log(found_pictures(inputs, edits, sentinels).select(1, -1)).mean();
}

}  // namespace emend
