#pragma once

namespace emend::bench {

// Bytes per second that the current number of threads reads sequentially from an array that is much
// larger than any cache: an upper bound for generation token by token. The best of several runs.
double memory_bandwidth();

}  // namespace emend::bench
