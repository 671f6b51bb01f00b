#pragma once

#include <filesystem>

namespace emend {

// Queries about paths. Unlike their counterparts in std::filesystem, they do not throw: they return
// false for a name that is too long, a loop of links, or a folder that cannot be entered.
bool path_exists(const std::filesystem::path& path);
bool is_file(const std::filesystem::path& path);  // a regular file
bool is_folder(const std::filesystem::path& path);

// Creates the folder and its parents. Throws emend::Error if this fails.
void make_folders(const std::filesystem::path& path);

}  // namespace emend
