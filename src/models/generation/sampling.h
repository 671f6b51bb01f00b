#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <random>
#include <string_view>
#include <vector>

namespace emend {

// Throws the error that logits are NaN, at a place of the code.
[[noreturn]] void refuse_nan_logits(std::string_view place);

// Returns the token with the highest logit of each row; ties go to the lowest id. logits: (B, V),
// any floating-point dtype. Throws emend::Error if a logit is NaN.
std::vector<int64_t> choose_greedy(const at::Tensor& logits);

// Samples a token from softmax(logits / temperature), restricted to the smallest set of most
// probable tokens (ties by id) whose probability is at least `top_p`. logits: (V). The result is
// the same on every machine for the same logits and generator.
int64_t choose_sampled(const at::Tensor& logits, double temperature, double top_p,
                       std::mt19937_64& random);

}  // namespace emend
