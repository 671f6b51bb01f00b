#pragma once

#include <string>

namespace emend {

// Whether the file of a patch has checksums, so that load_patch() verifies all of it. Format 1 has
// none: its `effect` and `made_by`, which the id does not cover, may have been changed. Throws
// emend::Error if the file is not a safetensors file.
bool has_checksums(const std::string& path);

}  // namespace emend
