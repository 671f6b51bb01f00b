#pragma once

#include <string>

namespace emend {

// These functions check an output path before the work starts. They write in the same way as the
// work will, and leave no file and no folder behind. Both throw emend::Error.

// `path` must be a file that AtomicFile can write.
void check_writable_file(const std::string& path);
// `path` must be a folder in which files can be written, or one that make_folders can create.
void check_writable_folder(const std::string& path);

}  // namespace emend
