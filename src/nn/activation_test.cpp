#include "nn/activation.h"

#include <gmock/gmock.h>

#include <cmath>
#include <functional>

#include "io/error.h"
#include "nn/testing/finite_differences.h"

namespace emend {
namespace {

double logistic(double v) { return 1 / (1 + std::exp(-v)); }

struct NamedActivation {
  const char* name;
  std::function<double(double)> formula;
};

// The formulas of transformers' activations.
const NamedActivation kActivations[] = {
    {"gelu", [](double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }},
    {"gelu_new",
     [](double x) {
       return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
     }},
    {"quick_gelu", [](double x) { return x * logistic(1.702 * x); }},
    {"relu", [](double x) { return std::max(x, 0.0); }},
    {"silu", [](double x) { return x * logistic(x); }},
};

at::Tensor formula_of(const NamedActivation& activation, const at::Tensor& x) {
  auto y = x.to(at::kDouble).clone();
  auto* values = y.data_ptr<double>();
  for (int64_t i = 0; i < y.numel(); ++i) values[i] = activation.formula(values[i]);
  return y;
}

TEST(Activation, MatchesTheFormulaOfItsName) {
  const auto x = at::linspace(-6, 6, 49, at::kDouble);
  for (const auto& each : kActivations) {
    const auto y = activate(x, activation_by_name(each.name, ""));
    EXPECT_LT((y - formula_of(each, x)).abs().max().item<double>(), 1e-6) << each.name;
  }
}

TEST(Activation, HasOneMeaningForEachNameOfTransformers) {
  const auto same = [](const char* name, const char* other) {
    return activation_by_name(name, "") == activation_by_name(other, "");
  };
  EXPECT_TRUE(same("gelu_python", "gelu"));
  EXPECT_TRUE(same("gelu_pytorch_tanh", "gelu_new"));
  EXPECT_TRUE(same("swish", "silu"));
  EXPECT_FALSE(same("gelu", "gelu_new"));
}

// Bfloat16 is computed in float32 and rounded once, except GELU by erf, where LibTorch 1.13 also
// rounds the terms.
TEST(Activation, OfBfloat16HasTheErrorOfOneRounding) {
  const auto x = at::linspace(-6, 6, 1001).to(at::kBFloat16);
  for (const auto& each : kActivations) {
    if (each.name == std::string("gelu")) continue;
    const auto y = activate(x, activation_by_name(each.name, ""));
    EXPECT_EQ(y.scalar_type(), at::kBFloat16);
    const auto expected = formula_of(each, x);
    const auto error = (y.to(at::kDouble) - expected).abs();
    const auto bound = expected.abs() * (0.5 / 128 + 1e-5) + 1e-36;
    EXPECT_TRUE((error <= bound).all().item<bool>()) << each.name;
  }
}

TEST(Activation, GradientsAgreeWithFiniteDifferences) {
  at::manual_seed(1);
  const auto x = at::linspace(-3.1, 2.9, 24).view({2, 3, 4});  // not at 0, where ReLU has a kink
  for (const auto& each : kActivations) {
    const auto activation = activation_by_name(each.name, "");
    const auto f = [&](const at::Tensor& t) { return activate(t, activation); };
    EXPECT_LT(gradient_error(f, x), kGradientTolerance) << each.name;
  }
}

TEST(Activation, RefusesUnknownNames) {
  try {
    activation_by_name("gelu_fancy", "text_config.activation_function");
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), ::testing::HasSubstr("text_config.activation_function is `gelu_fancy`"));
  }
}

}  // namespace
}  // namespace emend
