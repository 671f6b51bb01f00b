#pragma once

namespace emend::bench {

// Bytes a second of wall time that the threads which are set read from memory together, in order,
// from an array far larger than any cache: the most that token-by-token decoding can have. Best of
// several.
double memory_bandwidth();

}  // namespace emend::bench
