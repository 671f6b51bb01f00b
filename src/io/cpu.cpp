#include "io/cpu.h"

#include <ATen/Context.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>

namespace emend {
namespace {

CpuFeatures processor_features() {
  CpuFeatures features;
#if defined(__x86_64__)
  features.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                  __builtin_cpu_supports("f16c");
  features.avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#endif
  return features;
}

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

CpuFeatures limit_cpu_features(CpuFeatures features, std::string aten_cpu_capability,
                               std::string onednn_max_cpu_isa) {
  const auto capability = lower(std::move(aten_cpu_capability));
  const auto isa = lower(std::move(onednn_max_cpu_isa));
  const bool below_avx2 = capability == "default" || isa == "sse41" || isa == "avx";
  if (below_avx2) features.avx2 = false;
  if (below_avx2 || capability == "avx2" || isa.starts_with("avx2")) features.avx512 = false;
  return features;
}

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = limit_cpu_features(
      processor_features(), environment("ATEN_CPU_CAPABILITY"), environment("ONEDNN_MAX_CPU_ISA"));
  return features;
}

bool bf16_is_fast() { return cpu_features().avx512 && at::globalContext().userEnabledMkldnn(); }

}  // namespace emend
