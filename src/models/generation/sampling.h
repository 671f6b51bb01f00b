#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <random>
#include <vector>

namespace emend {

// The token with the highest logit in each row, ties to the lowest id. logits: (B, V), any float
// dtype. Throws emend::Error where a logit is not a number.
std::vector<int64_t> choose_greedy(const at::Tensor& logits);

// One token drawn from softmax(logits / temperature), cut to the smallest set of tokens (most
// probable first, ties by id) that holds `top_p` of it. logits: (V). The same on every machine for
// the same logits and generator.
int64_t choose_sampled(const at::Tensor& logits, double temperature, double top_p,
                       std::mt19937_64& random);

}  // namespace emend
