#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

namespace emend {

// The texts of calibration questions as a tensor: (N, bytes of the longest text) float32, one
// number for each byte, which every dtype of a checkpoint represents exactly; zeros after the text.
at::Tensor text_bytes(const std::vector<std::string>& texts);

// The texts again. Throws emend::Error, which names `file`, if these are not the bytes of `count`
// texts.
std::vector<std::string> texts_of_bytes(const at::Tensor& bytes, int64_t count,
                                        const std::string& file);

}  // namespace emend
