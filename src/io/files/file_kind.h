#pragma once

#include <string>
#include <string_view>

namespace emend {

// What a file is by its first bytes, for messages about a wrong one: "a PNG picture", "a ZIP
// archive"; empty when they say nothing.
std::string file_kind(std::string_view beginning);
// The same of a file; empty when it cannot be read, too.
std::string file_kind_of(const std::string& path);

}  // namespace emend
