#pragma once

#include <string>
#include <string_view>

namespace emend {

// Describes the type of a file by its first bytes, for error messages: "a PNG picture", "a ZIP
// archive". Empty if the type is unknown.
std::string file_kind(std::string_view beginning);
// The same for the file at `path`; also empty if the file cannot be read.
std::string file_kind_of(const std::string& path);

}  // namespace emend
