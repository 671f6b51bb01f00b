#include "exports/gguf/q8_0.h"

#include <c10/util/Half.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "io/error.h"

namespace emend {
namespace {

void quantize_block(const float* values, uint8_t* block) {
  float largest = 0;
  for (int64_t i = 0; i < kQ8Block; ++i) largest = std::max(largest, std::abs(values[i]));
  const float scale = largest / 127;
  // Blocks whose reciprocal overflows are zero in float16 anyway.
  float reciprocal = scale == 0 ? 0 : 1 / scale;
  if (!std::isfinite(reciprocal)) reciprocal = 0;
  const c10::Half stored(scale);
  std::memcpy(block, &stored, 2);
  for (int64_t i = 0; i < kQ8Block; ++i) {
    const auto quant = static_cast<int8_t>(std::round(values[i] * reciprocal));
    std::memcpy(block + 2 + i, &quant, 1);
  }
}

std::vector<int64_t> with_width(at::IntArrayRef shape, int64_t width) {
  auto result = shape.vec();
  result.back() = width;
  return result;
}

}  // namespace

at::Tensor quantize_q8_0(const at::Tensor& values) {
  if (values.dim() == 0 || values.size(-1) % kQ8Block != 0)
    throw Error("exports::q8_0", "Q8_0 needs rows of a multiple of 32 values",
                "write this tensor in 16 bits");
  const auto source = values.to(at::kFloat).contiguous();
  const auto blocks = source.numel() / kQ8Block;
  auto result = at::empty(with_width(values.sizes(), values.size(-1) / kQ8Block * kQ8BlockBytes),
                          at::TensorOptions().dtype(at::kByte));
  const auto* from = source.data_ptr<float>();
  auto* to = result.data_ptr<uint8_t>();
  for (int64_t i = 0; i < blocks; ++i) quantize_block(from + i * kQ8Block, to + i * kQ8BlockBytes);
  return result;
}

at::Tensor dequantize_q8_0(const at::Tensor& blocks) {
  const auto source = blocks.contiguous();
  const auto count = source.numel() / kQ8BlockBytes;
  auto result = at::empty(with_width(blocks.sizes(), blocks.size(-1) / kQ8BlockBytes * kQ8Block),
                          at::TensorOptions().dtype(at::kFloat));
  const auto* from = source.data_ptr<uint8_t>();
  auto* to = result.data_ptr<float>();
  for (int64_t i = 0; i < count; ++i, from += kQ8BlockBytes) {
    c10::Half scale;
    std::memcpy(&scale, from, 2);
    for (int64_t j = 0; j < kQ8Block; ++j) {
      int8_t quant;
      std::memcpy(&quant, from + 2 + j, 1);
      *to++ = static_cast<float>(scale) * static_cast<float>(quant);
    }
  }
  return result;
}

}  // namespace emend
