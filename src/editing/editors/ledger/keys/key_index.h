#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <utility>
#include <vector>

namespace emend {

// Finds the nearest of many keys by squared distance. With at most `exact` keys, the distances to
// all of them are computed. With more, a graph of neighbors is searched (HNSW: Malkov and Yashunin
// 2016), which can miss the nearest key, but never returns a distance that is too small. The same
// keys give the same graph.
class KeyIndex {
 public:
  static constexpr int64_t kExact = 20000;

  // keys: (N, W) float32 on the CPU, N > 0.
  explicit KeyIndex(at::Tensor keys, int64_t exact = kExact);
  ~KeyIndex();
  KeyIndex(KeyIndex&&) noexcept;
  KeyIndex& operator=(KeyIndex&&) noexcept;

  int64_t size() const { return keys_.size(0); }
  // (A, W) -> (A): the squared distance to the nearest key, and its index.
  std::pair<at::Tensor, at::Tensor> nearest(const at::Tensor& queries) const;
  // The same, if the distance is below `limit`; otherwise the distance is infinite. Most keys are
  // told apart by a few columns, so this reads less memory.
  std::pair<at::Tensor, at::Tensor> nearest_within(const at::Tensor& queries, double limit) const;
  // For each key, the last key behind it that is nearer than `radius` (a squared distance, see
  // near_keys), or -1. With a graph, only the 32 nearest keys of each are considered.
  std::vector<int64_t> last_near(double radius) const;

 private:
  struct Graph;

  at::Tensor keys_;
  std::unique_ptr<Graph> graph_;  // null: exact
  at::Tensor columns_;            // (F) indices of the columns in which the first keys differ most
  at::Tensor filter_keys_;        // (F, N) these columns of all keys
  at::Tensor filter_norms_;       // (N) their squared norms
  double longest_ = 0;            // the largest of them
};

// The indices of the keys that are nearer to `key` than `radius`, a squared distance in float64,
// whose bits do not depend on the other keys. keys: (N, W), key: (W), float32 on the CPU.
std::vector<int64_t> near_keys(const at::Tensor& keys, const at::Tensor& key, double radius);

}  // namespace emend
