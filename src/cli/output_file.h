#pragma once

#include <string>
#include <vector>

namespace emend::cli {

// The format that the metadata of a safetensors file names; empty for any other file.
std::string file_format(const std::string& path);

// Checks a safetensors file to be written, before any work is done. Throws emend::Error if it is a
// folder, if its folder does not exist, if it is one of the `inputs` (empty names are ignored), if
// it exists and its metadata has another `format` (files of other kinds are never replaced), or if
// it cannot be written.
void check_output_file(const std::string& output, const std::vector<std::string>& inputs,
                       const std::string& format);

}  // namespace emend::cli
