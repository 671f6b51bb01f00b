#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

namespace emend {

// How positions become angles (Su et al. 2021), under the names that config.json gives the ways of
// reaching beyond the trained length; formulas are those of transformers' modeling_rope_utils.
struct RotaryConfig {
  enum class Kind { plain, linear, dynamic, llama3, yarn, longrope };
  Kind kind = Kind::plain;
  double theta = 10000;  // rope_theta
  int64_t width = 0;     // of a head; even
  double factor = 1;
  int64_t trained = 0;  // positions before scaling: max_position_embeddings (dynamic), or
                        // original_max_position_embeddings (llama3, yarn, longrope)
  double low_frequency = 1, high_frequency = 4;     // llama3
  double beta_fast = 32, beta_slow = 1;             // yarn
  bool truncate = true;                             // yarn
  double attention_factor = 1;                      // yarn, longrope: scales both cosine and sine
  std::vector<double> short_factors, long_factors;  // longrope, one for each of width / 2
};

// Cosines and sines of each position, (B, 1, T, d), in the dtype they are asked for.
struct Rotation {
  at::Tensor cosine, sine;
  // x: (B, heads, T, d); the halves of a head are a complex number's two parts.
  at::Tensor operator()(const at::Tensor& x) const;
};

class Rotary {
 public:
  Rotary() = default;
  explicit Rotary(const RotaryConfig& config, at::Device device = at::kCPU);

  // positions: (B, T) int64. `dynamic` and `longrope` choose by the largest position: whether any
  // row of the batch goes beyond the trained length.
  Rotation rotation(const at::Tensor& positions, at::ScalarType dtype) const;
  // (d / 2) float32: radians a position, when rows are up to `length` long.
  at::Tensor frequencies(int64_t length) const;

 private:
  RotaryConfig config_;
  at::Tensor usual_;  // frequencies within the trained length
};

}  // namespace emend
