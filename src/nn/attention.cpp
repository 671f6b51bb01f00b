#include "nn/attention.h"

#include <limits>

namespace emend {

at::Tensor split_heads(const at::Tensor& x, int64_t heads) {
  return x.reshape({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);
}

at::Tensor merge_heads(const at::Tensor& x) { return x.transpose(1, 2).flatten(2); }

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const at::Tensor& bias, double scale) {
  auto scores = at::matmul(q * scale, k.transpose(-1, -2));
  if (bias.defined()) scores = scores + bias;
  // LibTorch's kernel computes in float32 and rounds once. Requesting a float32 result would write
  // and read a tensor of twice the size, which takes seven times as long at 677 positions.
  return at::matmul(at::softmax(scores, -1), v);
}

at::Tensor grouped_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                             const at::Tensor& bias, double scale) {
  const int64_t rows = q.size(0), heads = q.size(1), length = q.size(2), width = q.size(3);
  const int64_t groups = k.size(1), each = heads / groups;
  if (each == 1) return attention(q, k, v, bias, scale);
  // The heads of a group become additional positions of one head, so that keys and values are not
  // repeated.
  auto folded = q.reshape({rows, groups, each * length, width});
  auto scores = at::matmul(folded * scale, k.transpose(-1, -2));
  if (bias.defined())
    scores = (scores.view({rows, groups, each, length, -1}) + bias.unsqueeze(2)).view_as(scores);
  return at::matmul(at::softmax(scores, -1), v).view({rows, heads, length, width});
}

at::Tensor attention_bias(const at::Tensor& attention_mask, at::ScalarType dtype) {
  const double lowest =
      dtype == at::kBFloat16 ? static_cast<double>(std::numeric_limits<at::BFloat16>::lowest())
      : dtype == at::kHalf   ? static_cast<double>(std::numeric_limits<at::Half>::lowest())
                             : static_cast<double>(std::numeric_limits<float>::lowest());
  return at::zeros(attention_mask.sizes(), attention_mask.options().dtype(dtype))
      .masked_fill(attention_mask.logical_not(), lowest);
}

}  // namespace emend
