#include "io/cpu.h"

#include <gtest/gtest.h>

namespace emend {
namespace {

constexpr CpuFeatures kAll{true, true};

TEST(Cpu, AppliesTheLimitsOfTheEnvironment) {
  const auto limited = [](const char* aten, const char* onednn) {
    const auto features = limit_cpu_features(kAll, aten, onednn);
    return std::pair(features.avx2, features.avx512);
  };
  EXPECT_EQ(limited("", ""), std::pair(true, true));
  EXPECT_EQ(limited("avx512", "AVX512_CORE_AMX"), std::pair(true, true));
  EXPECT_EQ(limited("avx2", ""), std::pair(true, false));
  EXPECT_EQ(limited("", "AVX2"), std::pair(true, false));
  EXPECT_EQ(limited("", "avx2_vnni"), std::pair(true, false));
  EXPECT_EQ(limited("default", ""), std::pair(false, false));
  EXPECT_EQ(limited("", "SSE41"), std::pair(false, false));
}

TEST(Cpu, LimitsNeverAddFeatures) {
  const auto features = limit_cpu_features({}, "avx512", "AVX512_CORE");
  EXPECT_FALSE(features.avx2);
  EXPECT_FALSE(features.avx512);
}

TEST(Cpu, Bf16IsFastOnlyWithAvx512) {
  if (bf16_is_fast()) {
    EXPECT_TRUE(cpu_features().avx512);
  }
}

}  // namespace
}  // namespace emend
