#pragma once

#include <string>

namespace emend {

// The last name of a folder's path, also if the path is relative or ends with a slash.
std::string folder_name(const std::string& folder);

}  // namespace emend
