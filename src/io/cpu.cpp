#include "io/cpu.h"

#include <ATen/Context.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>

namespace emend {
namespace {

// Better targets of a processor have lower bits.
constexpr int64_t kAboveAvx2 = HWY_AVX2 - 1, kFromAvx2 = kAboveAvx2 | HWY_AVX2;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

int64_t excluded_simd_targets(std::string aten_cpu_capability, std::string onednn_max_cpu_isa) {
  const auto capability = lower(std::move(aten_cpu_capability));
  const auto isa = lower(std::move(onednn_max_cpu_isa));
  if (capability == "default" || isa == "sse41" || isa == "avx") return kFromAvx2;
  return capability == "avx2" || isa.starts_with("avx2") ? kAboveAvx2 : 0;
}

void limit_simd_targets() {
  static const bool limited = [] {
    const auto isa = environment("ONEDNN_MAX_CPU_ISA");
    hwy::DisableTargets(excluded_simd_targets(environment("ATEN_CPU_CAPABILITY"), isa));
    // LibTorch asks the processor, not oneDNN, whether oneDNN can multiply bfloat16.
    if ((excluded_simd_targets("", isa) & kAboveAvx2) != 0)
      at::globalContext().setUserEnabledMkldnn(false);
    return true;
  }();
  (void)limited;
}

SimdLevel simd_level() {
  limit_simd_targets();
  const auto targets = hwy::SupportedTargets();
  if ((targets & kAboveAvx2) != 0) return SimdLevel::avx512;
  return (targets & HWY_AVX2) != 0 ? SimdLevel::avx2 : SimdLevel::below_avx2;
}

bool bf16_is_fast() {
  return simd_level() == SimdLevel::avx512 && at::globalContext().userEnabledMkldnn();
}

}  // namespace emend
