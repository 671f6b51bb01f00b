#include "editing/editors/ledger/keys/key_index.h"

#include <hnswlib/hnswlib.h>

#include <algorithm>
#include <limits>

#include "editing/editors/ledger/keys/key_network.h"
#include "io/log.h"

namespace emend {
namespace {

constexpr int64_t kKeyBlock = 1024;  // keys that are compared at once
constexpr int64_t kFilterColumns = 32;
constexpr int64_t kFilterSample = 1000;  // keys from which these columns are chosen

// The parameters of HNSW in its paper: neighbors of a node, and the widths of searches.
constexpr size_t kLinks = 16, kBuildWidth = 200, kSearchWidth = 128, kNeighbors = 32;

// The rounding error of key_distances, relative to the longest squared key.
constexpr double kDistanceError = 1e-5;

double exact_distance(const float* a, const float* b, int64_t width) {
  double sum = 0;
  for (int64_t i = 0; i < width; ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += difference * difference;
  }
  return sum;
}

}  // namespace

struct KeyIndex::Graph {
  explicit Graph(const at::Tensor& keys)
      : space(static_cast<size_t>(keys.size(1))),
        graph(&space, static_cast<size_t>(keys.size(0)), kLinks, kBuildWidth) {
    const auto* key = keys.data_ptr<float>();
    for (int64_t i = 0; i < keys.size(0); ++i, key += keys.size(1))
      graph.addPoint(key, static_cast<size_t>(i));
    graph.setEf(kSearchWidth);
  }

  hnswlib::L2Space space;
  hnswlib::HierarchicalNSW<float> graph;
};

KeyIndex::KeyIndex(at::Tensor keys, int64_t exact) : keys_(keys.contiguous()) {
  if (keys_.size(0) <= exact) {
    const auto sample = keys_.slice(0, 0, kFilterSample);
    columns_ = std::get<1>(sample.var(0, /*unbiased=*/false)
                               .topk(std::min(kFilterColumns, keys_.size(1))));
    filter_keys_ = keys_.index_select(1, columns_).t().contiguous();
    filter_norms_ = filter_keys_.square().sum(0);
    longest_ = filter_norms_.max().item<double>();
    return;
  }
  logger().info("indexing {} keys of edits", keys_.size(0));
  graph_ = std::make_unique<Graph>(keys_);
}

KeyIndex::~KeyIndex() = default;
KeyIndex::KeyIndex(KeyIndex&&) noexcept = default;
KeyIndex& KeyIndex::operator=(KeyIndex&&) noexcept = default;

std::pair<at::Tensor, at::Tensor> KeyIndex::nearest(const at::Tensor& queries) const {
  if (graph_) {
    const auto asked = queries.contiguous();
    auto distances = at::empty({asked.size(0)}, at::kFloat);
    auto indices = at::empty({asked.size(0)}, at::kLong);
    for (int64_t i = 0; i < asked.size(0); ++i) {
      const auto found =
          graph_->graph.searchKnn(asked.data_ptr<float>() + i * asked.size(1), 1).top();
      distances.data_ptr<float>()[i] = found.first;
      indices.data_ptr<int64_t>()[i] = static_cast<int64_t>(found.second);
    }
    return {distances, indices};
  }
  std::vector<at::Tensor> distances, indices;
  for (int64_t begin = 0; begin < queries.size(0); begin += kKeyBlock) {
    const auto block = queries.slice(0, begin, begin + kKeyBlock);
    auto [distance, index] = key_distances(block, keys_).min(1);
    distances.push_back(distance);
    indices.push_back(index);
  }
  if (distances.empty()) return {at::empty({0}), at::empty({0}, at::kLong)};
  return {at::cat(distances), at::cat(indices)};
}

std::pair<at::Tensor, at::Tensor> KeyIndex::nearest_within(const at::Tensor& queries,
                                                           double limit) const {
  if (graph_) return nearest(queries);
  const auto asked = queries.contiguous();
  const auto count = asked.size(0), width = keys_.size(1);
  // Not `limit`, because its product with a weight of the caller can be rounded down.
  auto distances = at::full({count}, std::numeric_limits<double>::infinity(), at::kFloat);
  auto indices = at::zeros({count}, at::kLong);
  const auto* keys = keys_.data_ptr<float>();
  for (int64_t begin = 0; begin < count; begin += kKeyBlock) {
    const auto block = asked.slice(0, begin, begin + kKeyBlock).index_select(1, columns_);
    const auto lengths = block.square().sum(1, /*keepdim=*/true);
    const auto most = limit + kDistanceError * (longest_ + lengths) - lengths;
    const auto pairs =
        (at::addmm(filter_norms_, block, filter_keys_, 1, -2) < most).nonzero().contiguous();
    const auto* pair = pairs.data_ptr<int64_t>();
    for (int64_t i = 0; i < pairs.size(0); ++i, pair += 2) {
      const auto query = begin + pair[0];
      auto& nearest = distances.data_ptr<float>()[query];
      const auto distance = static_cast<float>(exact_distance(
          asked.data_ptr<float>() + query * width, keys + pair[1] * width, width));
      if (distance >= limit || distance >= nearest) continue;
      nearest = distance;
      indices.data_ptr<int64_t>()[query] = pair[1];
    }
  }
  return {distances, indices};
}

std::vector<int64_t> KeyIndex::last_near(double radius) const {
  const auto count = size(), width = keys_.size(1);
  const auto* keys = keys_.data_ptr<float>();
  std::vector<int64_t> last(static_cast<size_t>(count), -1);
  // The candidates of a key come in any order.
  const auto consider = [&](int64_t key, int64_t other) {
    auto& found = last[static_cast<size_t>(key)];
    if (other > std::max(key, found) &&
        exact_distance(keys + key * width, keys + other * width, width) < radius)
      found = other;
  };
  if (graph_) {
    for (int64_t i = 0; i < count; ++i) {
      auto found = graph_->graph.searchKnn(keys + i * width, kNeighbors);
      for (; !found.empty(); found.pop()) consider(i, static_cast<int64_t>(found.top().second));
    }
    return last;
  }
  const auto longest = keys_.square().sum(1).max().item<double>();
  for (int64_t begin = 0; begin < count; begin += kKeyBlock) {
    const auto block = keys_.slice(0, begin, begin + kKeyBlock);
    const auto near =
        key_distances(block, keys_.slice(0, begin)) < radius + kDistanceError * longest;
    const auto pairs = near.nonzero().contiguous();
    const auto* pair = pairs.data_ptr<int64_t>();
    for (int64_t i = 0; i < pairs.size(0); ++i, pair += 2)
      consider(begin + pair[0], begin + pair[1]);
  }
  return last;
}

std::vector<int64_t> near_keys(const at::Tensor& keys, const at::Tensor& key, double radius) {
  const auto all = keys.contiguous(), one = key.contiguous();
  std::vector<int64_t> near;
  for (int64_t i = 0; i < all.size(0); ++i)
    if (exact_distance(all.data_ptr<float>() + i * all.size(1), one.data_ptr<float>(),
                       all.size(1)) < radius)
      near.push_back(i);
  return near;
}

}  // namespace emend
