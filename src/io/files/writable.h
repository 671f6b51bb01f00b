#pragma once

#include <string>

namespace emend {

// Checks of an output before the work whose result it will have. They write as the work will write,
// and leave no file and no folder. Both throw emend::Error.

// `path` must be a file that AtomicFile can write.
void check_writable_file(const std::string& path);
// `path` must be a folder in which files can be written, or one that make_folders can create.
void check_writable_folder(const std::string& path);

}  // namespace emend
