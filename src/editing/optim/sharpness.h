#pragma once

namespace emend {

// Tokens that do not occur in the training data of the model have almost equal rows in the output
// layer. Their loss stays near the logarithm of their number, and its gradient hardly depends on
// which of them is the target. Multiplied logits separate them: each time the loss falls too
// slowly, the logits are multiplied by kSharpness, up to a total factor of kMaxSharpness.
constexpr double kSharpness = 8;
constexpr double kMaxSharpness = 64;

}  // namespace emend
