#include "io/files/path.h"

#include <fmt/format.h>

#include <system_error>

#include "io/error.h"

namespace emend {

namespace fs = std::filesystem;

bool path_exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

void make_folders(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (is_folder(path)) return;
  throw Error("io::path",
              fmt::format("cannot create the folder '{}': {}", path.string(),
                          error ? error.message() : "a file of that name exists"),
              "choose another folder, or check the permissions of its parent folder");
}

}  // namespace emend
