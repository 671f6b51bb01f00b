#pragma once

#include <ATen/ATen.h>

#include <string>

namespace emend {

// Activations by their names in config.json.
enum class Activation { gelu, gelu_tanh, quick_gelu, relu, silu };

// `field`: the setting that contains the name, for the error. Throws emend::Error for an unknown
// name.
Activation activation_by_name(const std::string& name, const std::string& field);

// x: any shape.
at::Tensor activate(const at::Tensor& x, Activation activation);

}  // namespace emend
