#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

namespace emend {

// Facts (Probe::fact) as tensors: 8 bytes of a hash, one number for each, which every dtype of a
// checkpoint represents exactly.
constexpr int64_t kFactWidth = 8;

// (N, kFactWidth) float32. A fact that is not known (empty) has zeros.
at::Tensor fact_codes(const std::vector<std::string>& facts);

// How many of the facts have each code: (N) int32. Codes of zeros have none.
at::Tensor count_facts(const at::Tensor& codes, const std::vector<std::string>& facts);

// Throws emend::Error, which names `file`, if these are not the codes of `count` facts.
void check_fact_codes(const at::Tensor& codes, int64_t count, const std::string& file);

}  // namespace emend
