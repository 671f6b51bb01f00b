#pragma once

#include <string>

namespace emend::cli {

// Whether a file is a checkpoint of a trained editor (or OUTPUT.state of `emend train`).
bool is_checkpoint(const std::string& path);
// Prints the editor, its module, steps, and the model that it was trained for.
void print_checkpoint(const std::string& path, bool json);

}  // namespace emend::cli
