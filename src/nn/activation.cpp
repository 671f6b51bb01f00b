#include "nn/activation.h"

#include <fmt/format.h>

#include <map>

#include "io/error.h"

namespace emend {

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
                "gelu, gelu_new, gelu_pytorch_tanh, quick_gelu, relu and silu are");
  return found->second;
}

at::Tensor activate(const at::Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::gelu:
      return at::gelu(x);
    case Activation::gelu_tanh:
      return at::gelu(x, "tanh");
    case Activation::quick_gelu:
      return x * at::sigmoid(x * 1.702);
    case Activation::relu:
      return at::relu(x);
    case Activation::silu:
      return at::silu(x);
  }
  throw Error("nn::activation", "no such activation");
}

}  // namespace emend
