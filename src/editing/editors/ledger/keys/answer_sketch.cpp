#include "editing/editors/ledger/keys/answer_sketch.h"

#include <cmath>
#include <random>

namespace emend {
namespace {

// (V, kSketchWidth)
at::Tensor projection(int64_t tokens) {
  auto signs = at::empty({tokens, kSketchWidth});
  std::mt19937_64 random(20221);
  auto* sign = signs.data_ptr<float>();
  const auto size = static_cast<float>(1 / std::sqrt(static_cast<double>(kSketchWidth)));
  static_assert(kSketchWidth == 64, "one random number has the signs of one token");
  for (int64_t token = 0; token < tokens; ++token) {
    const uint64_t bits = random();
    for (int64_t i = 0; i < kSketchWidth; ++i) *sign++ = bits >> i & 1 ? size : -size;
  }
  return signs;
}

}  // namespace

at::Tensor answer_sketch(const at::Tensor& logits) {
  thread_local at::Tensor known;
  if (!known.defined() || known.size(0) != logits.size(1)) known = projection(logits.size(1));
  const auto roots = at::softmax(logits, -1, at::kFloat).sqrt();
  return at::matmul(roots, known.to(logits.device()));
}

}  // namespace emend
