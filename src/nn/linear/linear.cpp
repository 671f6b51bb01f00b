#include "nn/linear/linear.h"

#include "nn/linear/mixed_linear.h"
#include "nn/linear/small_batch_linear.h"

namespace emend {
namespace {

at::Tensor multiply_matrices(const at::Tensor& x, const at::Tensor& weight,
                             const at::Tensor& bias) {
  if (has_small_batch_linear(x, weight, bias)) return small_batch_linear(x, weight, bias);
  return is_mixed(x, weight) ? mixed_linear(x, weight, bias) : at::linear(x, weight, bias);
}

at::Tensor delta_output(const at::Tensor& x, const WeightDelta& delta) {
  auto wide = x.to(at::kFloat);
  return delta.low_rank() ? at::linear(at::linear(wide, delta.down), delta.up)
                          : at::linear(wide, delta.dense);
}

at::Tensor with_delta(const at::Tensor& y, const at::Tensor& x, const Attachment& attachment) {
  auto wide = y.to(at::kFloat);
  if (!attachment.rows.defined())
    return (wide + delta_output(x, attachment.delta)).to(y.scalar_type());
  auto rows = attachment.rows.nonzero().view({-1});
  return wide.index_add(0, rows, delta_output(x.index_select(0, rows), attachment.delta))
      .to(y.scalar_type());
}

}  // namespace

at::Tensor Linear::operator()(const at::Tensor& x, const Attachments& attachments) const {
  const auto* here = attachments.at(site);
  if (!here) return multiply_matrices(x, weight, bias);

  auto input = x;
  for (const auto& a : *here)
    if (a.kind == Attachment::Kind::input) input = apply_transform(input, a.transform, a.rows);
  auto y = multiply_matrices(input, weight, bias);
  for (const auto& a : *here)
    if (a.kind == Attachment::Kind::weight) y = with_delta(y, input, a);
  for (const auto& a : *here)
    if (a.kind == Attachment::Kind::output) {
      const Transform layer = [&](const at::Tensor& output) { return a.layer(input, output); };
      y = apply_transform(y, a.layer ? layer : a.transform, a.rows);
    }
  return y;
}

}  // namespace emend
