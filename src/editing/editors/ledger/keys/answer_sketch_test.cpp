#include "editing/editors/ledger/keys/answer_sketch.h"

#include <gtest/gtest.h>

namespace emend {
namespace {

TEST(AnswerSketchTest, DistanceIsTwiceTheSquaredHellingerDistance) {
  at::manual_seed(4);
  auto logits = at::randn({40, 300}) * 4;
  const auto roots = logits.softmax(-1).sqrt();
  const auto sketches = answer_sketch(logits);
  ASSERT_EQ(sketches.sizes(), (at::IntArrayRef{40, kSketchWidth}));
  const auto exact = at::cdist(roots, roots).square();
  const auto sketched = at::cdist(sketches, sketches).square();
  // The deviation of a projection to 64 dimensions is at most sqrt(2 / 64) of the value.
  EXPECT_LT((exact - sketched).abs().mean().item<double>(), 0.2 * exact.mean().item<double>());
}

}  // namespace
}  // namespace emend
