#include "nn/rotary.h"

#include <algorithm>
#include <cmath>

namespace emend {
namespace {

using Kind = RotaryConfig::Kind;

// theta^(2i / d), in float32 as in transformers.
at::Tensor periods(double theta, int64_t width) {
  const auto exponents = at::arange(0, width, 2, at::kFloat) / static_cast<double>(width);
  return at::pow(at::Scalar(theta), exponents);
}

at::Tensor llama3(const at::Tensor& frequencies, const RotaryConfig& c) {
  const double trained = static_cast<double>(c.trained);
  const auto wavelength = 2 * M_PI / frequencies;
  const auto is_long = wavelength > trained / c.low_frequency;
  const auto is_short = wavelength < trained / c.high_frequency;
  const auto smooth =
      (trained / wavelength - c.low_frequency) / (c.high_frequency - c.low_frequency);
  const auto between = (1 - smooth) * frequencies / c.factor + smooth * frequencies;
  return at::where(is_long, frequencies / c.factor, at::where(is_short, frequencies, between));
}

at::Tensor yarn(const RotaryConfig& c) {
  const auto width = static_cast<double>(c.width);
  // The dimension whose wave makes this number of turns within the trained length.
  const auto turning = [&](double turns) {
    return width * std::log(static_cast<double>(c.trained) / (turns * 2 * M_PI)) /
           (2 * std::log(c.theta));
  };
  double low = turning(c.beta_fast), high = turning(c.beta_slow);
  if (c.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, width - 1);
  if (low == high) high += 0.001;
  const auto ramp = ((at::arange(c.width / 2, at::kFloat) - low) / (high - low)).clamp(0, 1);
  const auto period = periods(c.theta, c.width);
  const auto kept = 1 - ramp;
  return 1 / (period * c.factor) * (1 - kept) + 1 / period * kept;
}

// The axis of each frequency.
at::Tensor axes_of(const RotaryConfig& c) {
  std::vector<int64_t> axes;
  for (size_t axis = 0; !c.interleaved && axis < c.sections.size(); ++axis)
    axes.insert(axes.end(), static_cast<size_t>(c.sections[axis]), static_cast<int64_t>(axis));
  axes.resize(static_cast<size_t>(c.width / 2), 0);
  if (c.interleaved)
    for (int64_t axis = 1; axis < static_cast<int64_t>(c.sections.size()); ++axis)
      for (auto i = axis; i < std::min(3 * c.sections[static_cast<size_t>(axis)], c.width / 2);
           i += 3)
        axes[static_cast<size_t>(i)] = axis;
  return at::tensor(axes, at::kLong);
}

}  // namespace

Rotary::Rotary(const RotaryConfig& config, at::Device device) : config_(config) {
  trained_frequencies_ = frequencies(0).to(device);
  if (!config.sections.empty()) axes_ = axes_of(config).to(device);
}

at::Tensor Rotary::frequencies(int64_t length) const {
  const auto& c = config_;
  switch (c.kind) {
    case Kind::plain:
      break;
    case Kind::linear:
      return 1 / periods(c.theta, c.width) / c.factor;
    case Kind::llama3:
      return llama3(1 / periods(c.theta, c.width), c);
    case Kind::yarn:
      return yarn(c);
    case Kind::dynamic: {
      const auto ratio =
          static_cast<double>(std::max(length, c.trained)) / static_cast<double>(c.trained);
      const auto width = static_cast<double>(c.width);
      const double grown = std::pow(c.factor * ratio - (c.factor - 1), width / (width - 2));
      return 1 / periods(c.theta * grown, c.width);
    }
    case Kind::longrope: {
      const auto& factors = length > c.trained ? c.long_factors : c.short_factors;
      return 1 / (at::tensor(factors, at::kFloat) * periods(c.theta, c.width));
    }
  }
  return 1 / periods(c.theta, c.width);
}

at::Tensor Rotary::frequencies_for(const at::Tensor& positions) const {
  if (config_.kind != Kind::dynamic && config_.kind != Kind::longrope) return trained_frequencies_;
  const int64_t length = positions.max().item<int64_t>() + 1;
  return length > config_.trained ? frequencies(length).to(positions.device())
                                  : trained_frequencies_;
}

Rotation Rotary::rotation(const at::Tensor& positions, at::ScalarType dtype) const {
  return rotation_of_angles(positions.to(at::kFloat).unsqueeze(-1) * frequencies_for(positions),
                            dtype);
}

Rotation Rotary::axial_rotation(const at::Tensor& positions, at::ScalarType dtype) const {
  const auto by_frequency = positions.to(at::kFloat).index_select(0, axes_).permute({1, 2, 0});
  return rotation_of_angles(by_frequency * frequencies_for(positions), dtype);
}

Rotation Rotary::rotation_of_angles(const at::Tensor& half, at::ScalarType dtype) const {
  const auto angles = at::cat({half, half}, -1).unsqueeze(1);
  const double scale = config_.attention_factor;
  return {(angles.cos() * scale).to(dtype), (angles.sin() * scale).to(dtype)};
}

at::Tensor Rotation::operator()(const at::Tensor& x) const {
  const auto halves = x.chunk(2, -1);
  return x * cosine + at::cat({-halves[1], halves[0]}, -1) * sine;
}

}  // namespace emend
