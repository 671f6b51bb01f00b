#include "models/core/precision.h"

namespace emend {

std::string dtype_name(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat:
      return "fp32";
    case at::kBFloat16:
      return "bf16";
    case at::kHalf:
      return "fp16";
    default:
      return at::toString(dtype);
  }
}

std::optional<at::ScalarType> named_dtype(const std::string& name) {
  for (auto dtype : {at::kFloat, at::kBFloat16, at::kHalf})
    if (name == dtype_name(dtype)) return dtype;
  return std::nullopt;
}

Precision choose_precision(std::optional<at::ScalarType> asked, at::ScalarType stored,
                           at::Device device, bool bf16_is_fast) {
  if (asked) return {*asked, *asked, "it was requested"};
  if (stored == at::kBFloat16 && (bf16_is_fast || !device.is_cpu()))
    return {stored, stored, "the folder is stored in bf16"};
  if (stored == at::kBFloat16)
    return {at::kFloat, stored,
            "the folder is stored in bf16, which this processor multiplies slowly"};
  if (stored == at::kHalf && !device.is_cpu())
    return {stored, stored, "the folder is stored in fp16"};
  if (stored == at::kHalf)
    return {at::kFloat, stored, "the folder is stored in fp16, which bf16 would round"};
  return {at::kFloat, at::kFloat, "the folder is stored in fp32"};
}

}  // namespace emend
