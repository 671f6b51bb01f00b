#pragma once

#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace emend {

// Bounded random numbers that are the same on every machine, unlike the distributions of the
// standard library.

// A seed for another stream, or a cheap hash of a number (the finalizer of SplitMix64).
constexpr uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// Uniform in [0, count), count > 0. The bias is below 2^-32 * count.
inline int below(std::mt19937_64& rng, size_t count) {
  return static_cast<int>(((rng() >> 32) * count) >> 32);
}

template <typename T>
const T& pick(const std::vector<T>& from, std::mt19937_64& rng) {
  return from[below(rng, from.size())];
}

template <typename T>
void shuffle(std::vector<T>& items, std::mt19937_64& rng) {
  for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(rng, i)]);
}

}  // namespace emend
