#include "io/cpu.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

namespace emend {
namespace {

TEST(Cpu, ExcludesTargetsByTheEnvironment) {
  const auto excluded = [](const char* aten, const char* onednn, int64_t target) {
    return (excluded_simd_targets(aten, onednn) & target) != 0;
  };
  for (int64_t target : {HWY_SSE4, HWY_AVX2, HWY_AVX3, HWY_AVX3_DL, HWY_NEON, HWY_SCALAR}) {
    EXPECT_FALSE(excluded("", "", target));
    EXPECT_FALSE(excluded("avx512", "AVX512_CORE_AMX", target));
    const bool above_avx2 = target == HWY_AVX3 || target == HWY_AVX3_DL;
    EXPECT_EQ(excluded("avx2", "", target), above_avx2);
    EXPECT_EQ(excluded("", "AVX2", target), above_avx2);
    EXPECT_EQ(excluded("", "avx2_vnni", target), above_avx2);
    EXPECT_EQ(excluded("avx2", "AVX512_CORE", target), above_avx2);
    EXPECT_EQ(excluded("default", "", target), above_avx2 || target == HWY_AVX2);
    EXPECT_EQ(excluded("avx2", "SSE41", target), above_avx2 || target == HWY_AVX2);
  }
}

TEST(Cpu, Bf16IsFastOnlyWithAvx512) {
  if (bf16_is_fast()) {
    EXPECT_NE(hwy::SupportedTargets() & (HWY_AVX3 | HWY_AVX3_DL), 0);
  }
}

}  // namespace
}  // namespace emend
