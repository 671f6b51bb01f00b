#pragma once

#include <string>
#include <vector>

namespace emend {

// Parses a list of block numbers below `count`, such as "3,4,5" or "0-5,8", in ascending order.
// Throws emend::Error, which names the module, if the list is invalid, or if a number is out of
// range or is listed twice.
std::vector<size_t> block_numbers(const std::string& list, size_t count, const std::string& module);

}  // namespace emend
