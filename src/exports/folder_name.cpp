#include "exports/folder_name.h"

#include <filesystem>

namespace emend {

std::string folder_name(const std::string& folder) {
  std::error_code error;
  auto path = std::filesystem::weakly_canonical(folder, error);
  if (error) path = folder;
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

}  // namespace emend
