#pragma once

#include <ATen/ATen.h>

#include <string>

namespace emend {

// The names that config.json uses.
enum class Activation { gelu, gelu_tanh, quick_gelu, relu, silu };

// `field`: where the name stands, for the message. Throws emend::Error for a name that is not
// known.
Activation activation_by_name(const std::string& name, const std::string& field);

// x: any shape.
at::Tensor activate(const at::Tensor& x, Activation activation);

}  // namespace emend
