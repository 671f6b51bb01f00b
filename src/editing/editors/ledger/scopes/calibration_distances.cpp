#include "editing/editors/ledger/scopes/calibration_distances.h"

#include <algorithm>
#include <limits>

#include "editing/editors/ledger/keys/key_network.h"

namespace emend {

void CalibrationDistances::update(int64_t block, const at::Tensor& keys, const at::Tensor& active) {
  const auto begin = block * kBlock, end = std::min(begin + kBlock, keys.size(0));
  auto padded = at::zeros({kBlock, keys.size(1)}, keys.options());
  padded.slice(0, 0, end - begin).copy_(keys.slice(0, begin, end));
  auto ignored = at::ones({kBlock}, at::kBool);
  ignored.slice(0, 0, end - begin).copy_(active.slice(0, begin, end).logical_not());
  const auto distances = key_distances(questions_, padded)
                             .masked_fill_(ignored, std::numeric_limits<float>::infinity())
                             .amin(1);
  const auto place = static_cast<size_t>(block);
  if (blocks_.size() <= place) blocks_.resize(place + 1);
  blocks_[place] = distances;
}

at::Tensor CalibrationDistances::nearest() const { return at::stack(blocks_).amin(0); }

}  // namespace emend
