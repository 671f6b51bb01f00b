#include "models/core/precision.h"

#include <gtest/gtest.h>

namespace emend {
namespace {

Precision on_cpu(std::optional<at::ScalarType> asked, at::ScalarType stored, bool bf16_is_fast) {
  return choose_precision(asked, stored, at::kCPU, bf16_is_fast);
}

TEST(Precision, Bf16FoldersAreComputedInBf16IfThatIsFast) {
  const auto fast = on_cpu({}, at::kBFloat16, true), slow = on_cpu({}, at::kBFloat16, false);
  EXPECT_EQ(fast.compute, at::kBFloat16);
  EXPECT_FALSE(fast.keeps_16_bits());
  EXPECT_EQ(slow.compute, at::kFloat);
  EXPECT_EQ(slow.weights, at::kBFloat16);
  EXPECT_TRUE(slow.keeps_16_bits());
  EXPECT_NE(fast.reason, slow.reason);
}

TEST(Precision, Fp16FoldersAreNeverRoundedToBf16) {
  for (bool fast : {true, false}) {
    const auto chosen = on_cpu({}, at::kHalf, fast);
    EXPECT_EQ(chosen.compute, at::kFloat);
    EXPECT_EQ(chosen.weights, at::kHalf);
  }
  EXPECT_EQ(choose_precision({}, at::kHalf, at::kCUDA, false).compute, at::kHalf);
}

TEST(Precision, Fp32FoldersAndRequestedDtypesAreKept) {
  EXPECT_EQ(on_cpu({}, at::kFloat, true).compute, at::kFloat);
  EXPECT_FALSE(on_cpu({}, at::kFloat, true).keeps_16_bits());
  for (auto asked : {at::kFloat, at::kBFloat16}) {
    const auto chosen = on_cpu(asked, at::kHalf, false);
    EXPECT_EQ(chosen.compute, asked);
    EXPECT_EQ(chosen.weights, asked);
  }
}

}  // namespace
}  // namespace emend
