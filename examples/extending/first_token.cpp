#include "examples/extending/first_token.h"

#include "io/error.h"
#include "nn/loss.h"

namespace emend {

double first_token_accuracy(const at::Tensor& logits, const at::Tensor& labels) {
  // The logits of position t predict the label of t + 1.
  const auto targets = labels.slice(1, 1);
  const auto counted = targets != kIgnored;
  if (!counted.any(1).all().item<bool>())
    throw Error("evaluation::metrics", "a row has no answer position",
                "this is an error in emend; please report it");
  const auto right = logits.slice(1, 0, -1).argmax(-1) == targets;
  const auto first = counted.to(at::kInt).argmax(1, /*keepdim=*/true);
  return right.gather(1, first).to(at::kDouble).mean().item<double>();
}

}  // namespace emend
