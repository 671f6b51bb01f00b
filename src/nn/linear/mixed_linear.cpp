#include "nn/linear/mixed_linear.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "nn/linear/upcast.h"

namespace emend {
namespace {

// Calls `use(block, first)` with float32 copies of the rows first, first + 1, ... of the weight.
template <class Use>
void for_blocks(const at::Tensor& weight, const Use& use) {
  const int64_t out = weight.size(0), in = std::max<int64_t>(weight.size(1), 1);
  const int64_t most = kUpcastBytes / (in * static_cast<int64_t>(sizeof(float)));
  const int64_t rows = std::min(out, std::max(kUpcastRows, most));
  const auto stored = weight.contiguous();
  const auto scratch = at::empty({rows, weight.size(1)}, weight.options().dtype(at::kFloat));
  for (int64_t first = 0; first < out; first += rows) {
    const int64_t count = std::min(rows, out - first);
    auto block = scratch.narrow(0, 0, count);
    const auto source = stored.narrow(0, first, count);
    if (block.is_cpu())
      upcast(source, block);
    else
      block.copy_(source);
    use(block, first);
  }
}

// (R, in) -> (R, out)
at::Tensor multiply(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  auto y = at::empty({x.size(0), weight.size(0)}, x.options());
  for_blocks(weight, [&](const at::Tensor& block, int64_t first) {
    auto part = y.narrow(1, first, block.size(0));
    if (bias.defined())
      at::addmm_out(part, bias.narrow(0, first, block.size(0)), x, block.t());
    else
      at::mm_out(part, x, block.t());
  });
  return y;
}

// (R, out) -> (R, in): multiplies by the weight itself, for the gradient of x.
at::Tensor multiply_back(const at::Tensor& y, const at::Tensor& weight) {
  auto x = at::zeros({y.size(0), weight.size(1)}, y.options());
  for_blocks(weight, [&](const at::Tensor& block, int64_t first) {
    x.addmm_(y.narrow(1, first, block.size(0)), block);
  });
  return x;
}

// The product with W^T, or with W (`back`); each is the gradient of the other.
struct Product : torch::autograd::Function<Product> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weight, bool back) {
    context->saved_data["weight"] = weight;  // a constant, so save_for_backward is not needed
    context->saved_data["back"] = back;
    return back ? multiply_back(x, weight) : multiply(x, weight, {});
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto& gradient = gradients.at(0);
    if (!gradient.defined()) return {at::Tensor(), at::Tensor(), at::Tensor()};
    return {apply(gradient.contiguous(), context->saved_data["weight"].toTensor(),
                  !context->saved_data["back"].toBool()),
            at::Tensor(), at::Tensor()};
  }
};

}  // namespace

bool is_mixed(const at::Tensor& x, const at::Tensor& weight) {
  return x.scalar_type() == at::kFloat && has_16_bits(weight.scalar_type());
}

at::Tensor mixed_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const auto differentiated = [](const at::Tensor& t) { return t.defined() && t.requires_grad(); };
  auto shape = x.sizes().vec();
  const auto rows = x.reshape({-1, shape.back()});
  shape.back() = weight.size(0);
  if (!at::GradMode::is_enabled() || !(differentiated(x) || differentiated(bias)))
    return multiply(rows, weight, bias).view(shape);
  const auto y = Product::apply(rows, weight, false).view(shape);
  return bias.defined() ? y + bias : y;
}

}  // namespace emend
