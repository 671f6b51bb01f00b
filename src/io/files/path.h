#pragma once

#include <filesystem>

namespace emend {

// What is at a path that a user or a file names. These do not throw, unlike their counterparts in
// std::filesystem: a name that is too long, a loop of links or a folder that cannot be entered is
// the same as nothing there.
bool path_exists(const std::filesystem::path& path);
bool is_file(const std::filesystem::path& path);  // a regular one
bool is_folder(const std::filesystem::path& path);

// Makes the folder and those above it. Throws emend::Error when that is impossible.
void make_folders(const std::filesystem::path& path);

}  // namespace emend
