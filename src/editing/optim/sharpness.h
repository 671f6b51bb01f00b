#pragma once

namespace emend {

// Tokens that the model has never seen in training have almost the same row of the output layer.
// The loss of each stays near the logarithm of their number, and its gradient hardly depends on
// which of them is the target. Multiplying the logits separates them: by this factor each time that
// the loss falls too slowly, up to the largest factor.
constexpr double kSharpness = 8;
constexpr double kMaxSharpness = 64;

}  // namespace emend
