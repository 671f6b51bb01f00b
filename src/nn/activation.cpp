#include "nn/activation.h"

#include <fmt/format.h>

#include <cmath>
#include <map>

#include "io/error.h"
#include "nn/sigmoid_gate.h"

namespace emend {
namespace {

const double kTanhGelu = 2 * std::sqrt(2 / M_PI);

}  // namespace

Activation activation_by_name(const std::string& name, const std::string& field) {
  static const std::map<std::string, Activation> known{
      {"gelu", Activation::gelu},
      {"gelu_python", Activation::gelu},
      {"gelu_new", Activation::gelu_tanh},
      {"gelu_pytorch_tanh", Activation::gelu_tanh},
      {"quick_gelu", Activation::quick_gelu},
      {"relu", Activation::relu},
      {"silu", Activation::silu},
      {"swish", Activation::silu},
  };
  auto found = known.find(name);
  if (found == known.end())
    throw Error("nn::activation", fmt::format("{} is `{}`, which is not implemented", field, name),
                "supported are gelu, gelu_new, gelu_pytorch_tanh, quick_gelu, relu and silu");
  return found->second;
}

at::Tensor activate(const at::Tensor& x, Activation activation) {
  const bool gated = has_sigmoid_gate(x);
  switch (activation) {
    case Activation::gelu:
      return at::gelu(x);
    case Activation::gelu_tanh:
      return gated ? sigmoid_gate(x, kTanhGelu, 0.044715 * kTanhGelu) : at::gelu(x, "tanh");
    case Activation::quick_gelu:
      return gated ? sigmoid_gate(x, 1.702, 0) : x * at::sigmoid(x * 1.702);
    case Activation::relu:
      return at::relu(x);
    case Activation::silu:
      return gated ? sigmoid_gate(x, 1, 0) : at::silu(x);
  }
  throw Error("nn::activation", "unknown activation",
              "use an activation that is listed in nn/activation.h");
}

}  // namespace emend
