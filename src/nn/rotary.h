#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

namespace emend {

// Rotary position embeddings (Su et al. 2021). The kinds of scaling beyond the trained length have
// the names of config.json; the formulas are those of transformers' modeling_rope_utils.
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
  double attention_factor = 1;                      // yarn, longrope: factor of cosine and sine
  std::vector<double> short_factors, long_factors;  // longrope, width / 2 values each
  // mrope_section (Qwen2-VL): how many of the width / 2 frequencies turn by the position of each of
  // three axes. In sequence, or (mrope_interleaved, Qwen3-VL) in turns, and the rest by axis 0.
  // Empty: one axis.
  std::vector<int64_t> sections = {};
  bool interleaved = false;
};

// Cosines and sines of each position, (B, 1, T, d), in the requested dtype.
struct Rotation {
  at::Tensor cosine, sine;
  // x: (B, heads, T, d); the two halves of a head are the real and imaginary parts.
  at::Tensor operator()(const at::Tensor& x) const;
};

// Computes the rotations of positions.
class Rotary {
 public:
  Rotary() = default;
  explicit Rotary(const RotaryConfig& config, at::Device device = at::kCPU);

  // positions: (B, T) int64. `dynamic` and `longrope` depend on the largest position in the batch,
  // that is on whether any row exceeds the trained length.
  Rotation rotation(const at::Tensor& positions, at::ScalarType dtype) const;
  // The same for positions on several axes, (A, B, T).
  Rotation axial_rotation(const at::Tensor& positions, at::ScalarType dtype) const;
  // The frequencies, (d / 2) float32, in radians per position, for rows of up to `length`
  // positions.
  at::Tensor frequencies(int64_t length) const;

 private:
  RotaryConfig config_;
  // The frequencies for rows with these positions.
  at::Tensor frequencies_for(const at::Tensor& positions) const;
  Rotation rotation_of_angles(const at::Tensor& angles,
                              at::ScalarType dtype) const;  // (B, T, d / 2)

  at::Tensor trained_frequencies_;  // frequencies within the trained length
  at::Tensor axes_;   // (d / 2) int64: the axis of each frequency; undefined without sections
};

}  // namespace emend
