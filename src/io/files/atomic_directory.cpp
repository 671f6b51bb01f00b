#include "io/files/atomic_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "io/error.h"
#include "io/files/leftovers.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
constexpr const char* kAtomicDirectoryPlace = "io::atomic_directory";

}  // namespace

AtomicDirectory::AtomicDirectory(std::string path) : path_(std::move(path)) {
  while (path_.size() > 1 && path_.back() == '/') path_.pop_back();
  if (path_.empty())
    throw Error(kAtomicDirectoryPlace, "the folder name is empty", "give a folder name");
  std::error_code error;
  const auto status = fs::symlink_status(path_, error);
  if (fs::exists(status) && !(fs::is_directory(status) && fs::is_empty(path_, error) && !error))
    throw Error(
        kAtomicDirectoryPlace,
        fmt::format("'{}' exists{}", path_, fs::is_directory(status) ? " and is not empty" : ""),
        "emend does not overwrite folders; give the name of a new folder");
  remove_leftovers(path_);
  temporary_ = fmt::format("{}.{}.tmp", path_, ::getpid());
  fs::remove_all(temporary_, error);  // left by a killed process that had the same ID
  if (!fs::create_directory(temporary_, error) || error)
    throw Error(kAtomicDirectoryPlace,
                fmt::format("cannot create the folder '{}': {}", path_, error.message()),
                "check that the parent folder exists and is writable");
  lock_ = ::open(temporary_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock_ >= 0) (void)::flock(lock_, LOCK_EX | LOCK_NB);
}

AtomicDirectory::~AtomicDirectory() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
  if (lock_ >= 0) ::close(lock_);
}

void AtomicDirectory::commit() {
  // rename(2) replaces an empty folder, but nothing else.
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0)
    throw Error(kAtomicDirectoryPlace,
                fmt::format("cannot rename to '{}': {}", path_, std::strerror(errno)),
                "give the name of a new folder");
  temporary_.clear();
}

}  // namespace emend
