#include "nn/loss.h"

#include "io/error.h"

namespace emend {

at::Tensor answer_loss(const at::Tensor& logits, const at::Tensor& labels) {
  if (logits.dim() != labels.dim() + 1 || logits.sizes().slice(0, labels.dim()) != labels.sizes())
    throw Error("nn::loss", "the shapes of logits and labels do not match",
                "logits must be (B, T, V) and labels (B, T)");
  auto counts = labels != kIgnored;
  if (!counts.any().item<bool>())
    throw Error("nn::loss", "all labels are ignored", "the target has no tokens");
  auto logp = at::log_softmax(logits, -1, at::kFloat);
  auto picked = logp.gather(-1, labels.masked_fill(counts.logical_not(), 0).unsqueeze(-1));
  auto weight = counts.to(at::kFloat);
  return -(picked.squeeze(-1) * weight).sum() / weight.sum();
}

}  // namespace emend
