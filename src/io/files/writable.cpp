#include "io/files/writable.h"

#include <filesystem>
#include <vector>

#include "io/error.h"
#include "io/files/file.h"
#include "io/files/path.h"

namespace emend {

namespace fs = std::filesystem;

void check_writable_file(const std::string& path) { AtomicFile(path).write(""); }

void check_writable_folder(const std::string& path) {
  if (path.empty())
    throw Error("io::writable", "the name of the output folder is empty", "give a folder name");
  // The missing folders, the innermost first.
  std::vector<fs::path> missing;
  for (fs::path folder = path; !folder.empty() && !path_exists(folder);
       folder = folder.parent_path())
    missing.push_back(folder);
  struct Removal {
    const std::vector<fs::path>& folders;
    ~Removal() {
      std::error_code ignored;
      for (const auto& folder : folders) fs::remove(folder, ignored);
    }
  } removal{missing};
  make_folders(path);
  check_writable_file((fs::path(path) / "emend").string());
}

}  // namespace emend
